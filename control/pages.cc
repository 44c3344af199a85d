#include "control/pages.h"

#include <httplib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <future>
#include <thread>
#include <utility>

namespace flexai::control {
namespace {

using base::Code;
using base::fail;

constexpr auto kPatience = std::chrono::seconds(5);

double cpu_seconds() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(use.ru_utime) + seconds(use.ru_stime);
}

long resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  long size = 0, resident = 0;
  statm >> size >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

void line(std::string* out, const std::string& name, const char* type, double value,
          const std::string& labels = "") {
  if (type != nullptr) *out += "# TYPE " + name + " " + type + "\n";
  char text[64];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  *out += name + labels + " " + std::string(text, end) + "\n";
}

void histogram(std::string* out, const std::string& name, const Histogram& h) {
  *out += "# TYPE " + name + " histogram\n";
  for (size_t i = 0; i < h.bounds.size(); ++i) {
    char bound[32];
    const auto end = std::to_chars(bound, bound + sizeof bound, h.bounds[i]).ptr;
    line(out, name + "_bucket", nullptr, static_cast<double>(h.buckets[i]),
         "{le=\"" + std::string(bound, end) + "\"}");
  }
  line(out, name + "_bucket", nullptr, static_cast<double>(h.count), R"({le="+Inf"})");
  line(out, name + "_sum", nullptr, h.sum);
  line(out, name + "_count", nullptr, static_cast<double>(h.count));
}

// A queue's name comes from a lease: anybody who may write one may write anything there.
std::string label(const std::string& text) {
  std::string out;
  for (const char c : text)
    if (c == '\\' || c == '"')
      (out += '\\') += c;
    else if (static_cast<unsigned char>(c) >= ' ')
      out += c;
  return out;
}

}  // namespace

std::string metrics_text(const Figures& f, double cpu, long resident) {
  std::string out;
  const auto number = [](auto value) { return static_cast<double>(value); };
  const std::string attempts = "scheduler_schedule_attempts_total";
  line(&out, attempts, "counter", number(f.scheduled), R"({result="scheduled"})");
  line(&out, attempts, nullptr, number(f.unschedulable), R"({result="unschedulable"})");
  line(&out, attempts, nullptr, number(f.errors), R"({result="error"})");
  line(&out, "scheduler_pending_pods", "gauge", number(f.waiting), R"({queue="unschedulable"})");
  line(&out, "scheduler_pending_pods", nullptr, number(f.pending), R"({queue="active"})");
  histogram(&out, "scheduler_pod_scheduling_sli_duration_seconds", f.opened);
  histogram(&out, "flexai_pod_allocation_duration_seconds", f.allocated);
  line(&out, "flexai_plans_total", "counter", number(f.plans));
  line(&out, "flexai_plan_seconds_total", "counter", number(f.plan_ns) / 1e9);
  line(&out, "flexai_claims_allocated_total", "counter", number(f.binder.allocated));
  line(&out, "flexai_gates_opened_total", "counter", number(f.binder.opened));
  line(&out, "flexai_write_conflicts_total", "counter", number(f.binder.conflicts));
  line(&out, "flexai_write_failures_total", "counter", number(f.binder.failures));
  const std::string acts = "flexai_acts_total";
  line(&out, acts, "counter", number(f.ladder.shrunk), R"({act="shrink"})");
  line(&out, acts, nullptr, number(f.ladder.grown), R"({act="grow"})");
  line(&out, acts, nullptr, number(f.ladder.shared), R"({act="share"})");
  line(&out, acts, nullptr, number(f.ladder.suspended), R"({act="suspend"})");
  line(&out, acts, nullptr, number(f.ladder.resumed), R"({act="resume"})");
  line(&out, acts, nullptr, number(f.ladder.moved), R"({act="move"})");
  line(&out, acts, nullptr, number(f.ladder.evicted), R"({act="evict"})");
  line(&out, "flexai_acts_refused_total", "counter", number(f.ladder.refused));
  line(&out, "flexai_api_writes_total", "counter", number(f.writes));
  line(&out, "flexai_events_told_total", "counter", number(f.told));
  const char* kind = "counter";
  for (const auto& [whose, hours] : f.ncu_hours)
    line(&out, "flexai_ncu_hours_total", std::exchange(kind, nullptr), hours,
         "{namespace=\"" + whose.first + "\",queue=\"" + label(whose.second) + "\"}");
  line(&out, "flexai_nodes", "gauge", number(f.nodes));
  line(&out, "flexai_cards", "gauge", number(f.cards));
  line(&out, "flexai_leads", "gauge", f.leading ? 1 : 0);
  line(&out, "process_cpu_seconds_total", "counter", cpu);
  line(&out, "process_resident_memory_bytes", "gauge", number(resident));
  return out;
}

struct Pages::Server {
  Server(base::Loop& loop, const Scheduler& scheduler) : loop(loop), scheduler(scheduler) {}
  ~Server() {
    http.stop();
    if (thread.joinable()) thread.join();
  }

  // On the scheduler's thread, which may be busy or gone.
  template <typename F>
  bool ask(F f, std::invoke_result_t<F>* out) {
    auto answer = std::make_shared<std::promise<std::invoke_result_t<F>>>();
    auto future = answer->get_future();
    loop.post([answer, f] { answer->set_value(f()); });
    if (future.wait_for(kPatience) != std::future_status::ready) return false;
    *out = future.get();
    return true;
  }

  template <typename F>
  void json(const char* path, F f) {
    http.Get(path, [this, f](const httplib::Request& request, httplib::Response& response) {
      std::string text;
      const std::string pod = request.get_param_value("pod");
      if (!ask([f, pod] { return f(pod); }, &text)) return late(response);
      response.set_content(text, "application/json");
    });
  }

  static void late(httplib::Response& response) {
    response.status = 503;
    response.set_content("the scheduler does not answer\n", "text/plain");
  }

  void routes() {
    http.Get("/metrics", [this](const httplib::Request&, httplib::Response& response) {
      Figures figures;
      if (!ask([this] { return scheduler.figures(); }, &figures)) return late(response);
      response.set_content(metrics_text(figures, cpu_seconds(), resident_bytes()),
                           "text/plain; version=0.0.4");
    });
    http.Get("/healthz", [this](const httplib::Request&, httplib::Response& response) {
      Figures figures;
      if (!ask([this] { return scheduler.figures(); }, &figures)) return late(response);
      response.set_content("ok\n", "text/plain");
    });
    http.Get("/readyz", [this](const httplib::Request&, httplib::Response& response) {
      Figures figures;
      if (!ask([this] { return scheduler.figures(); }, &figures)) return late(response);
      if (!figures.synced) response.status = 503;
      response.set_content(figures.synced ? "ok\n" : "the objects have not all come yet\n",
                           "text/plain");
    });
    json("/v1/explain", [this](const std::string& pod) { return scheduler.explain(pod); });
    json("/v1/queues", [this](const std::string&) { return scheduler.queues(); });
    json("/v1/snapshot", [this](const std::string&) { return scheduler.snapshot(); });
  }

  base::Loop& loop;
  const Scheduler& scheduler;
  httplib::Server http;
  std::thread thread;
  int port = 0;
};

Pages::Pages(std::unique_ptr<Server> server) : server_(std::move(server)) {}
Pages::~Pages() = default;
int Pages::port() const { return server_->port; }

base::Result<std::unique_ptr<Pages>> Pages::make(const std::string& address, base::Loop& loop,
                                                 const Scheduler& scheduler) {
  const size_t colon = address.rfind(':');
  int port = -1;
  if (colon != std::string::npos)
    std::from_chars(address.data() + colon + 1, address.data() + address.size(), port);
  if (port < 0 || port > 65535)
    return fail(Code::kInvalid, "--listen " + address + ": must be HOST:PORT");
  auto server = std::make_unique<Server>(loop, scheduler);
  server->routes();
  server->http.new_task_queue = [] { return new httplib::ThreadPool(2); };
  server->http.set_payload_max_length(4096);
  const std::string host = address.substr(0, colon);
  server->port = port == 0 ? server->http.bind_to_any_port(host)
                           : (server->http.bind_to_port(host, port) ? port : -1);
  if (server->port <= 0)
    return fail(Code::kConflict, "--listen " + address + ": cannot listen there");
  server->thread = std::thread([s = server.get()] { s->http.listen_after_bind(); });
  return std::unique_ptr<Pages>(new Pages(std::move(server)));
}

}  // namespace flexai::control

#include "agent/watch_port.h"

#include <httplib.h>

#include <charconv>
#include <future>
#include <thread>

namespace flexai::agent {

using base::Code;
using base::fail;

namespace {

constexpr auto kPatience = std::chrono::seconds(5);
constexpr size_t kMostBody = 4096;

void plain(httplib::Response& response, int status, const std::string& text) {
  response.status = status;
  response.set_content(text + "\n", "text/plain; charset=utf-8");
}

}  // namespace

struct WatchPort::Server {
  base::Loop* loop;
  Api* api;
  Ready ready;
  httplib::Server http;
  std::thread thread;
  int port = 0;

  // On the Loop, which may be stuck: then nobody is told that all is well.
  template <typename F>
  bool ask(F f, std::string* out) {
    auto answer = std::make_shared<std::promise<std::string>>();
    auto future = answer->get_future();
    loop->post([answer, f] { answer->set_value(f()); });
    if (future.wait_for(kPatience) != std::future_status::ready) return false;
    *out = future.get();
    return true;
  }

  void get(const char* path, std::function<std::string()> f, const char* type) {
    http.Get(path, [this, f, type](const httplib::Request&, httplib::Response& response) {
      std::string text;
      if (!ask(f, &text)) return plain(response, 503, "the agent does not answer");
      response.set_content(text, type);
    });
  }

  void routes() {
    http.Get("/readyz", [this](const httplib::Request&, httplib::Response& response) {
      std::string why;
      if (!ask(ready, &why)) return plain(response, 503, "the agent does not answer");
      plain(response, why.empty() ? 200 : 503, why.empty() ? "ok" : why);
    });
    get(
        "/healthz", [] { return std::string("ok\n"); }, "text/plain");
    get(
        "/metrics", [this] { return api->metrics(); }, "text/plain; version=0.0.4; charset=utf-8");
    http.new_task_queue = [] { return new httplib::ThreadPool(2); };
    http.set_payload_max_length(kMostBody);
    http.set_keep_alive_max_count(1);
    http.set_read_timeout(5);
  }
};

WatchPort::WatchPort(std::unique_ptr<Server> server) : server_(std::move(server)) {}

WatchPort::~WatchPort() { stop(); }

int WatchPort::port() const { return server_->port; }

void WatchPort::stop() {
  server_->http.stop();
  if (server_->thread.joinable()) server_->thread.join();
}

base::Result<std::unique_ptr<WatchPort>> WatchPort::open(const std::string& address,
                                                         base::Loop* loop, Api* api, Ready ready) {
  const size_t colon = address.rfind(':');
  int port = -1;
  if (colon != std::string::npos && colon > 0) {
    const char* end = address.data() + address.size();
    const auto read = std::from_chars(address.data() + colon + 1, end, port);
    if (read.ptr != end) port = -1;
  }
  if (port < 0 || port > 65535)
    return fail(Code::kInvalid, "--metrics " + address + ": must be HOST:PORT, as 127.0.0.1:7701");
  auto server = std::make_unique<Server>();
  server->loop = loop;
  server->api = api;
  server->ready = std::move(ready);
  server->routes();
  const std::string host = address.substr(0, colon);
  server->port = port == 0 ? server->http.bind_to_any_port(host)
                           : (server->http.bind_to_port(host, port) ? port : -1);
  if (server->port <= 0)
    return fail(Code::kConflict,
                "--metrics " + address + ": cannot listen there; choose another port");
  server->thread = std::thread([s = server.get()] { s->http.listen_after_bind(); });
  while (!server->http.is_running()) std::this_thread::yield();
  return std::unique_ptr<WatchPort>(new WatchPort(std::move(server)));
}

}  // namespace flexai::agent

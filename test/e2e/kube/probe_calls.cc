#include <malloc.h>
#include <poll.h>
#include <simdjson.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <latch>
#include <nlohmann/json.hpp>

#include "kube/reflector.h"
#include "test/e2e/kube/probe.h"
#include "test/e2e/kube/volley.h"

namespace flexai::test {
namespace {

using nlohmann::json;
namespace od = simdjson::ondemand;

double seconds(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
}

double cpu_seconds() {
  rusage use{};
  ::getrusage(RUSAGE_SELF, &use);
  return seconds(use.ru_utime) + seconds(use.ru_stime);
}

std::string config_map(const std::string& name) {
  return json{{"apiVersion", "v1"},
              {"kind", "ConfigMap"},
              {"metadata", {{"name", name}}},
              {"data", {{"n", "0"}}}}
      .dump();
}

long resident_kb() {
  ::malloc_trim(0);
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("VmRSS:")) return std::atol(line.c_str() + 6);
  return 0;
}

// What a scheduler may want of a pod: where it is, what it asks for, whether it is gated.
struct Pod {
  std::string node, phase;
  bool gated = false;
};

base::Result<std::optional<Pod>> pod_of(const kube::Meta&, kube::ObjectText text) {
  thread_local od::parser parser;
  od::document document;
  simdjson::padded_string_view view(text.json.data(), text.json.size(),
                                    text.json.size() + kube::kPadding);
  if (parser.iterate(view).get(document)) return base::fail(base::Code::kCorrupt, "no JSON");
  Pod pod;
  od::object spec;
  if (!document.find_field_unordered("spec").get_object().get(spec)) {
    std::string_view node;
    if (!spec.find_field_unordered("nodeName").get_string().get(node)) pod.node = node;
    od::array gates;
    pod.gated = !spec.find_field_unordered("schedulingGates").get_array().get(gates);
  }
  return std::optional(std::move(pod));
}

}  // namespace

int call(kube::Client& client, const Words& words) {
  if (words.size() < 2) give_up("call VERB PATH [BODY [CONTENT-TYPE]]");
  kube::Call call = kube::get_path(words[1]);
  for (auto verb : {kube::Call::Verb::kPost, kube::Call::Verb::kPut, kube::Call::Verb::kPatch,
                    kube::Call::Verb::kDelete})
    if (words[0] == kube::verb_name(verb)) call.verb = verb;
  call.repeatable = call.verb == kube::Call::Verb::kGet;
  call.waits_when_throttled = false;
  if (words.size() > 2) call.body = words[2];
  if (words.size() > 3) call.content_type = words[3];
  kube::Reply reply = client.wait(call);
  json out = {{"http", reply.http}, {"body", json::parse(reply.body, nullptr, false)}};
  if (out["body"].is_discarded()) out["body"] = reply.body;
  if (!reply.ok())
    out["failure"] = {{"code", base::code_name(reply.failure->code)},
                      {"reason", reply.failure->reason},
                      {"cause", reply.failure->cause},
                      {"message", reply.failure->message}};
  say(out.dump());
  return reply.ok() ? 0 : 1;
}

int storm(kube::Client& client, const Words& words) {
  if (words.size() < 4) give_up("storm NAMESPACE OBJECTS PATCHES IN-FLIGHT");
  const std::string ns = words[0];
  const size_t objects = std::stoul(words[1]), patches = std::stoul(words[2]),
               in_flight = std::stoul(words[3]);
  auto name = [objects](size_t i) { return "storm-" + std::to_string(i % objects); };
  Volley make(client, objects,
              [&](size_t i) { return kube::create(kube::kConfigMaps, ns, config_map(name(i))); });
  make.run(in_flight);
  base::Nanos began = base::monotonic_now();
  double cpu = cpu_seconds();
  Volley volley(client, patches, [&](size_t i) {
    return kube::patch(kube::kConfigMaps, {ns, name(i)}, kube::Patch::kMerge,
                       json{{"data", {{"n", std::to_string(i + 1)}}}}.dump());
  });
  auto times = volley.run(in_flight);
  double took = static_cast<double>(base::monotonic_now() - began) / 1e9;
  say(json{{"patches", patches},
           {"failed", volley.failed()},
           {"per_second", static_cast<double>(patches) / took},
           {"cpu_us_each", (cpu_seconds() - cpu) * 1e6 / static_cast<double>(patches)},
           {"median_ms", times[times.size() / 2] * 1e3},
           {"p99_ms", times[times.size() * 99 / 100] * 1e3}}
          .dump());
  return volley.failed() == 0 ? 0 : 1;
}

int hold(kube::Client& client, const Words& words) {
  if (words.empty()) give_up("hold RESOURCE [PAGE]");
  auto loop = base::Loop::make();
  if (!loop.ok()) give_up(loop.error().message);
  base::Nanos began = base::monotonic_now();
  double cpu = cpu_seconds();
  long before = resident_kb();
  kube::ListWatchOptions options;
  options.resource = resource_of(words[0]);
  if (words.size() > 1) options.page = std::stoi(words[1]);
  kube::Reflector<Pod>::Handlers handlers;
  handlers.synced = [&] { (*loop)->stop(); };
  handlers.trouble = [](const kube::Failure& failure) { say("trouble " + failure.message); };
  kube::Reflector<Pod> reflector(client, **loop, options, pod_of, handlers);
  (*loop)->run();
  rusage use{};
  ::getrusage(RUSAGE_SELF, &use);
  say(json{{"objects", reflector.store().size()},
           {"seconds", static_cast<double>(base::monotonic_now() - began) / 1e9},
           {"cpu_seconds", cpu_seconds() - cpu},
           {"resident_kb_before", before},
           {"resident_kb", resident_kb()},
           {"peak_kb", use.ru_maxrss}}
          .dump());
  return 0;
}

}  // namespace flexai::test

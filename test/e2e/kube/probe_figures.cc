#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "kube/reflector.h"
#include "test/e2e/kube/probe.h"
#include "test/e2e/kube/volley.h"

namespace flexai::test {
namespace {

using nlohmann::json;

// As a webhook leaves a pod that wants a slice: with a claim, a gate, labels and annotations.
std::string pod(size_t i) {
  json container = {
      {"name", "main"},
      {"image", "registry.example/team/train:1.0"},
      {"command", {"python3", "-m", "train", "--epochs", "10"}},
      {"env", {{{"name", "RANK"}, {"value", std::to_string(i % 8)}}}},
      {"resources",
       {{"requests", {{"cpu", "500m"}, {"memory", "1Gi"}}}, {"claims", {{{"name", "card"}}}}}}};
  json spec = {{"containers", {container}},
               {"automountServiceAccountToken", false},
               {"resourceClaims", {{{"name", "card"}, {"resourceClaimTemplateName", "slice"}}}},
               {"schedulingGates", {{{"name", "example.com/queue"}}}}};
  return json{{"apiVersion", "v1"},
              {"kind", "Pod"},
              {"metadata",
               {{"name", "train-" + std::to_string(i)},
                {"labels", {{"app", "train"}, {"queue", "q" + std::to_string(i % 20)}}},
                {"annotations", {{"example.com/note", std::string(64, 'x')}}}}},
              {"spec", spec}}
      .dump();
}

double median(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

base::Result<std::optional<std::string>> version_of(const kube::Meta& meta, kube::ObjectText) {
  return std::optional(std::string(meta.resource_version));
}

}  // namespace

int fill(kube::Client& client, const Words& words) {
  if (words.size() < 3) give_up("fill NAMESPACE PODS IN-FLIGHT");
  base::Nanos began = base::monotonic_now();
  const size_t count = std::stoul(words[1]);
  Volley volley(client, count,
                [&](size_t i) { return kube::create(kube::kPods, words[0], pod(i)); });
  volley.run(std::stoul(words[2]));
  double took = static_cast<double>(base::monotonic_now() - began) / 1e9;
  say(json{{"pods", count},
           {"failed", volley.failed()},
           {"per_second", static_cast<double>(count) / took}}
          .dump());
  return volley.failed() == 0 ? 0 : 1;
}

// From the moment a patch is sent: when its answer is there, and when the watch has told of it.
int lag(kube::Client& client, const Words& words) {
  if (words.size() < 2) give_up("lag NAMESPACE PATCHES");
  auto loop = base::Loop::make();
  if (!loop.ok()) give_up(loop.error().message);
  std::mutex mutex;
  std::condition_variable news;
  uint64_t told = 0;
  auto tell = [&](auto&&...) {
    std::lock_guard lock(mutex);
    ++told;
    news.notify_all();
  };
  kube::Reflector<std::string>::Handlers handlers;
  handlers.added = handlers.deleted = [&](const std::string&, const std::string&) { tell(); };
  handlers.updated = [&](const std::string&, const std::string&, const std::string&) { tell(); };
  handlers.synced = [&] { tell(); };
  kube::ListWatchOptions options;
  options.resource = kube::kConfigMaps;
  options.selection.ns = words[0];
  auto reflector =
      std::make_unique<kube::Reflector<std::string>>(client, **loop, options, version_of, handlers);
  std::thread thread([&] { (*loop)->run(); });
  auto wait_for = [&](uint64_t count) {
    std::unique_lock lock(mutex);
    if (!news.wait_for(lock, std::chrono::seconds(10), [&] { return told >= count; }))
      give_up("the watch told nothing");
    return told;
  };
  uint64_t before = wait_for(1);
  client.wait(kube::create(kube::kConfigMaps, words[0], R"({"metadata":{"name":"lag"}})"));
  before = wait_for(before + 1);
  std::vector<double> answer, event;
  for (int i = 0; i < std::stoi(words[1]); ++i) {
    base::Nanos began = base::monotonic_now();
    auto body = json{{"data", {{"n", std::to_string(i)}}}}.dump();
    auto reply =
        client.wait(kube::patch(kube::kConfigMaps, {words[0], "lag"}, kube::Patch::kMerge, body));
    if (!reply.ok()) give_up(reply.failure->message);
    answer.push_back(static_cast<double>(base::monotonic_now() - began) / 1e6);
    before = wait_for(before + 1);
    event.push_back(static_cast<double>(base::monotonic_now() - began) / 1e6);
  }
  say(json{{"patches", answer.size()},
           {"answer_median_ms", median(answer)},
           {"seen_median_ms", median(event)}}
          .dump());
  (*loop)->post([&] {
    reflector.reset();
    (*loop)->stop();
  });
  thread.join();
  return 0;
}

}  // namespace flexai::test

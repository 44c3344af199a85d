#include "kube/requirement.h"

#include <algorithm>
#include <memory>

#include "base/log.h"
#include "kube/call.h"
#include "kube/discovery.h"

namespace flexai::kube {

namespace {

constexpr base::Nanos kPause = 5 * base::kSecond;

struct Asking {
  Client& client;
  base::Loop& loop;
  Requirement requirement;
  std::function<void(base::Status)> done;
  std::string version;
  std::map<std::string, std::optional<std::string>> lists;
};

void ask(const std::shared_ptr<Asking>& asking);

void ask_later(const std::shared_ptr<Asking>& asking, const std::string& why) {
  base::log(base::Level::kWarn, "kube", "what the API server offers is not known yet",
            {{"why", why}});
  asking->version.clear();
  asking->lists.clear();
  asking->loop.at(base::monotonic_now() + kPause, [asking] { ask(asking); });
}

void answered(const std::shared_ptr<Asking>& asking, const std::string& path, Reply reply) {
  const bool unknown = !reply.ok() && reply.failure->http == 404;
  if (!reply.ok() && !unknown) return ask_later(asking, path + ": " + reply.failure->message);
  if (path == "/version")
    asking->version = std::move(reply.body);
  else
    asking->lists[path] = unknown ? std::nullopt : std::optional(std::move(reply.body));
  ask(asking);
}

// One after the other; nobody waits for it.
void ask(const std::shared_ptr<Asking>& asking) {
  std::string path = asking->version.empty() ? "/version" : "";
  for (const Resource& resource : asking->requirement.resources)
    if (path.empty() && asking->lists.count(group_path(resource)) == 0) path = group_path(resource);
  if (path.empty()) {
    base::Status served = verdict(asking->requirement, asking->version, asking->lists);
    // What makes no sense is of somebody in between.
    if (!served.ok() && served.error().code == base::Code::kCorrupt)
      return ask_later(asking, served.error().message);
    return asking->done(std::move(served));
  }
  asking->client.send(get_path(path), &asking->loop,
                      [asking, path](Reply reply) { answered(asking, path, std::move(reply)); });
}

}  // namespace

base::Status verdict(const Requirement& requirement, std::string_view version,
                     const std::map<std::string, std::optional<std::string>>& lists) {
  FLEXAI_TRY_ASSIGN(const ServerVersion server, version_of(version));
  FLEXAI_TRY(at_least(server, requirement.major, requirement.minor, requirement.need));
  for (const Resource& resource : requirement.resources) {
    const auto list = lists.find(group_path(resource));
    bool there = list != lists.end() && list->second.has_value();
    if (there) {
      FLEXAI_TRY_ASSIGN(there, offers(*list->second, resource));
    }
    if (!there)
      return base::fail(base::Code::kUnsupported,
                        "the API server (" + server.text + ") does not serve " + resource.plural +
                            " of " + resource.group + "/" + resource.version + ", which " +
                            requirement.need + " need; see its --runtime-config and " +
                            "--feature-gates (DynamicResourceAllocation)");
  }
  return {};
}

void check(Client& client, base::Loop& loop, const Requirement& requirement,
           std::function<void(base::Status)> done) {
  ask(std::make_shared<Asking>(Asking{client, loop, requirement, std::move(done), "", {}}));
}

}  // namespace flexai::kube

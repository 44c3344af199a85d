#include "apps/kubectl/drain.h"

#include <map>
#include <set>
#include <thread>

#include "apps/kubectl/objects.h"
#include "kube/lease.h"
#include "kube/names.h"
#include "kube/object_view.h"

namespace flexai::apps {

using base::Code;
using base::fail;
using nlohmann::json;

namespace {

constexpr auto kLook = std::chrono::seconds(1);
constexpr base::Nanos kAskAgain = 5 * base::kSecond;

bool is_over(const kube::Lease& lease) { return lease.status.phase == kube::LeasePhase::kReleased; }

base::Status mark(kube::Client& client, const std::string& node, bool drained) {
  const json body{{"metadata", {{"labels", {{kube::kDrainedLabel, nullptr}}}}}};
  json marked = body;
  if (drained) marked["metadata"]["labels"][kube::kDrainedLabel] = "true";
  const kube::Reply reply =
      client.wait(kube::patch(kube::kNodes, {"", node}, kube::Patch::kMerge, marked.dump()));
  return reply.status();
}

// Evicts one; what it says is said once.
class Evictions {
 public:
  explicit Evictions(kube::Client& client) : client_(client) {}

  base::Status ask(const Leaver& who, base::Nanos now) {
    if (leaving_.count(who) != 0) return {};
    if (const auto at = again_.find(who); at != again_.end() && now < at->second) return {};
    kube::RemoveOptions options;
    options.uid = who.uid;
    const kube::Reply reply = client_.wait(kube::evict({who.ns, who.pod}, options));
    const std::string name = who.ns + "/" + who.pod;
    if (reply.ok()) {
      printf("%s is evicted\n", name.c_str());
    } else if (reply.failure->http == 404 || reply.failure->http == 409) {
      // Gone, or another pod of this name: its slice goes by itself.
    } else if (reply.failure->http == 429) {
      if (again_.count(who) == 0)
        printf("%s waits: its disruption budget does not let it go now\n", name.c_str());
      again_[who] = now + kAskAgain;
      fflush(stdout);
      return {};
    } else {
      return reply.failure->error();
    }
    fflush(stdout);
    leaving_.insert(who);
    return {};
  }

 private:
  kube::Client& client_;
  std::set<Leaver> leaving_;
  std::map<Leaver, base::Nanos> again_;
};

}  // namespace

std::vector<Leaver> leavers(const Objects& leases, const std::string& node) {
  std::set<Leaver> found;
  for (const json& object : leases)
    if (const auto lease = kube::read_lease(object);
        lease.ok() && lease->spec.pool == node && !is_over(*lease) && !lease->spec.pod.name.empty())
      found.insert({lease->ns, lease->spec.pod.name, lease->spec.pod.uid});
  return {found.begin(), found.end()};
}

size_t slices_of(const Objects& leases, const std::string& node) {
  size_t count = 0;
  for (const json& object : leases)
    if (const auto lease = kube::read_lease(object); lease.ok())
      count += lease->spec.pool == node && !is_over(*lease);
  return count;
}

base::Status drain(kube::Client& client, const DrainOptions& options) {
  FLEXAI_TRY(mark(client, options.node, !options.undo));
  if (options.undo) {
    printf("cards of %s take pods again\n", options.node.c_str());
    return {};
  }
  printf("cards of %s take no new pods\n", options.node.c_str());
  const base::Nanos begun = base::monotonic_now();
  Evictions evictions(client);
  size_t told = SIZE_MAX;
  while (true) {
    FLEXAI_TRY_ASSIGN(const Objects leases, all_of(client, kube::kXpuLeases));
    const base::Nanos now = base::monotonic_now();
    const size_t left = slices_of(leases, options.node);
    if (left == 0) break;
    if (left != told) printf("%zu slice%s left\n", left, left == 1 ? "" : "s");
    told = left;
    fflush(stdout);
    for (const Leaver& who : leavers(leases, options.node)) FLEXAI_TRY(evictions.ask(who, now));
    if (options.timeout > 0 && now - begun >= options.timeout)
      return fail(Code::kTimeout, std::to_string(left) + " slices of " + options.node +
                                      " are left; its cards stay closed: call it again, or undo it "
                                      "with --undo");
    std::this_thread::sleep_for(kLook);
  }
  printf("nobody uses the cards of %s\n", options.node.c_str());
  return {};
}

}  // namespace flexai::apps

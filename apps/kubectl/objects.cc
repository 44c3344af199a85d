#include "apps/kubectl/objects.h"

#include "model/json.h"

namespace flexai::apps {

using base::Code;
using base::fail;
using nlohmann::json;

namespace {

constexpr int kPage = 500;
constexpr size_t kMostPages = 1000;

}  // namespace

base::Result<Objects> all_of(kube::Client& client, const kube::Resource& resource,
                             const kube::ListOptions& options) {
  Objects found;
  std::string next;
  for (size_t page = 0; page < kMostPages; ++page) {
    const kube::Reply reply = client.wait(kube::list_page(resource, options, kPage, next));
    if (!reply.ok()) return reply.failure->error();
    FLEXAI_TRY_ASSIGN(json list, model::parse_json(reply.body));
    if (!list.is_object() || !list.contains("items") || !list["items"].is_array())
      return fail(Code::kCorrupt, "the API server's list of " + resource.plural + " is none");
    for (json& item : list["items"]) found.push_back(std::move(item));
    const json& about = list["metadata"];
    next = about.is_object() ? about.value("continue", std::string()) : "";
    if (next.empty()) return found;
  }
  return fail(Code::kExhausted, "there are too many " + resource.plural);
}

}  // namespace flexai::apps

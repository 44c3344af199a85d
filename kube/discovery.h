// What the server is and offers. Source: /version and /apis of the API server. Threads: any.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "kube/reply.h"
#include "kube/resources.h"

namespace flexai::kube {

struct ServerVersion {
  int major = 0, minor = 0;  // that it acts as (--emulated-version)
  std::string text;          // v1.36.3
};
base::Result<ServerVersion> version_of(std::string_view body);  // of GET /version

// kUnsupported, with what to do, when the server is older. `need`: what needs it ("slices of
// cards").
base::Status at_least(const ServerVersion& version, int major, int minor, std::string_view need);

// Where a group's version lists its resources.
std::string group_path(const Resource& resource);
// Does that list (the body of a GET of it) offer the resource, and the subresource if one is named?
base::Result<bool> offers(std::string_view body, const Resource& resource,
                          std::string_view subresource = {});

}  // namespace flexai::kube

// All objects of a kind, page by page. Threads: one; waits.
#pragma once

#include "apps/kubectl/views.h"
#include "base/result.h"
#include "kube/client.h"

namespace flexai::apps {

base::Result<Objects> all_of(kube::Client& client, const kube::Resource& resource,
                             const kube::ListOptions& options = {});

}  // namespace flexai::apps

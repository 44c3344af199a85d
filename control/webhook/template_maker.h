// How the webhook makes a ResourceClaimTemplate. Its name stands for its contents, so one that is
// there is taken for the same after a look at it. Blocks for a call or two. Threads: any.
#pragma once

#include "control/webhook/review.h"
#include "kube/client.h"

namespace flexai::control::webhook {

// `client` outlives what it returns.
MakeTemplate template_maker(kube::Client& client);

}  // namespace flexai::control::webhook

// Review: a pod that is about to be made, and what becomes of it. A pod whose claims are of our
// class gets our scheduling gate, so that the hi-scheduler places it before kube-scheduler looks.
// A pod of which that cannot be told passes as it is, which is safe: the stock allocator never
// satisfies our class. In namespaces that say so the names of other products are turned into claims
// first (alias.h), or refused with the reason.
//
// Source: AdmissionReview of admission.k8s.io/v1. What comes is anybody's and may be anything.
// Threads: any; pure but for what `make_template` does.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "control/webhook/knowledge.h"

namespace flexai::control::webhook {

// Makes the ResourceClaimTemplate unless there is an equal one.
using MakeTemplate = std::function<base::Status(const std::string& ns, const std::string& name,
                                                const std::string& body)>;

// The answer to the text of a review, to be sent as it is. kInvalid: it is no review.
base::Result<std::string> answer_review(const std::string& text, const Knowledge& knowledge,
                                        const MakeTemplate& make_template);

}  // namespace flexai::control::webhook

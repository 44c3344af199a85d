// writes: the calls by which the hi-scheduler acts on objects. Each names the object's uid, so that
// nothing happens to another one of the same name. docs/formats/kubernetes.md says who writes what.
// Threads: any; pure.
#pragma once

#include <string>
#include <vector>

#include "control/claim.h"
#include "control/pod.h"
#include "control/world.h"
#include "kube/call.h"
#include "kube/lease.h"

namespace flexai::control {

inline constexpr const char* kComponent = "flexai-hi-scheduler";

kube::Call add_finalizer(const ClaimFacts& claim);
// Allocation and reservedFor in one write, refused when the claim is not of this version any more.
// `classes`: of the requests, for their configurations.
kube::Call allocate(const ClaimFacts& claim, const std::vector<const ClassFacts*>& classes,
                    const std::vector<Given>& given, const std::string& node, const PodFacts& pod,
                    const std::string& version);
// For one pod more.
kube::Call reserve(const ClaimFacts& claim, const PodFacts& pod);
// Takes allocation and reservation back.
kube::Call deallocate(const ClaimFacts& claim);
kube::LeaseSpec lease_of(const ClaimFacts& claim, const Given& given, const kube::Reference& pod,
                         const std::string& node, const std::string& queue);
kube::Call create_lease(const ClaimFacts& claim, size_t index, const kube::LeaseSpec& spec);
// Its gang is complete: its agent may go on.
kube::Call free_lease(const kube::Lease& lease);
kube::Call drop_lease(const kube::Lease& lease);
// Refused when the lease is not what it is taken for any more.
kube::Call aim_lease(const kube::Lease& lease, const LeaseAim& aim);
// Its slice goes on at the target, and has left its card.
kube::Call land_lease(const kube::Lease& lease);
kube::Call evict(const PodFacts& pod);
kube::Call open_gate(const PodFacts& pod);
kube::Call say_condition(const PodFacts& pod, const std::string& message, const std::string& when);
kube::Call say_event(const PodFacts& pod, const std::string& instance, const std::string& reason,
                     const std::string& message, const std::string& when, bool warning);

}  // namespace flexai::control

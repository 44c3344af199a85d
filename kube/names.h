// Names that Flexai's parts use on Kubernetes. What they mean: docs/formats/kubernetes.md.
#pragma once

#include "kube/resources.h"

namespace flexai::kube {

inline constexpr const char* kDriverName = "xpu.flexai.io";
inline constexpr const char* kClassName = "xpu.flexai.io";
inline constexpr const char* kGroup = "xpu.flexai.io";
inline constexpr const char* kGroupVersion = "xpu.flexai.io/v1alpha1";
inline constexpr const char* kSliceConfigKind = "SliceConfig";

inline constexpr const char* kGate = "xpu.flexai.io/placement";
// In what an agent says of a claim whose lease is held; other agents know it by these words.
inline constexpr const char* kHeldBack = "is held back until every member of its gang has a node";
inline constexpr const char* kQueueLabel = "xpu.flexai.io/queue";
inline constexpr const char* kDefaultQueue = "default";
inline constexpr const char* kGangLabel = "xpu.flexai.io/gang";
inline constexpr const char* kGangSizeAnnotation = "xpu.flexai.io/gang-size";
inline constexpr const char* kGangTimeoutAnnotation = "xpu.flexai.io/gang-timeout";
inline constexpr const char* kDirectLabel = "xpu.flexai.io/direct";    // of namespaces: "allowed"
inline constexpr const char* kAliasesLabel = "xpu.flexai.io/aliases";  // of namespaces: "enabled"

// Of nodes: "true" keeps their cards from new pods; other pods do not notice.
inline constexpr const char* kDrainedLabel = "xpu.flexai.io/drained";
inline constexpr const char* kUnhealthyTaint = "xpu.flexai.io/unhealthy";
inline constexpr const char* kLeaseFinalizer = "xpu.flexai.io/slice";
// Of claims; the API server's own.
inline constexpr const char* kClaimFinalizer = "resource.kubernetes.io/delete-protection";

// Attributes and capacities of a card, without their domain.
inline constexpr const char* kReservedAttribute = "hi";  // never published
// Of attributes that only the hi-scheduler sees: the XpuPools that a card is in.
inline constexpr const char* kPoolDomain = "pool.xpu.flexai.io";
// Of links: names that drivers share (k8s.io/dynamic-resource-allocation, deviceattribute), and
// ours.
inline constexpr const char* kPciAttribute = "resource.kubernetes.io/pciBusID";
inline constexpr const char* kRootAttribute = "resource.kubernetes.io/pcieRoot";
inline constexpr const char* kNumaAttribute = "numa";
inline constexpr const char* kLinkAttribute = "link";        // Mbit/s between card and host
inline constexpr const char* kNetworkAttribute = "network";  // Mbit/s between the host and others
inline constexpr const char* kComputeCapacity = "compute";
inline constexpr const char* kMemoryCapacity = "memory";

inline const Resource kXpuLeases{kGroup, "v1alpha1", "xpuleases"};
inline const Resource kXpuQueues{kGroup, "v1alpha1", "xpuqueues", false};
inline const Resource kXpuPools{kGroup, "v1alpha1", "xpupools", false};

}  // namespace flexai::kube

// Resource: what a path of the API is made from, and a table of those that daemons use. The library
// treats all alike; any other resource is a value of the same type. Threads: any.
#pragma once

#include <string>

namespace flexai::kube {

struct Resource {
  std::string group;    // empty: the core group
  std::string version;  // v1
  std::string plural;   // pods
  bool namespaced = true;
};

inline const Resource kPods{"", "v1", "pods"};
inline const Resource kNodes{"", "v1", "nodes", false};
inline const Resource kNamespaces{"", "v1", "namespaces", false};
inline const Resource kConfigMaps{"", "v1", "configmaps"};
inline const Resource kSecrets{"", "v1", "secrets"};
inline const Resource kPersistentVolumes{"", "v1", "persistentvolumes", false};
inline const Resource kPersistentVolumeClaims{"", "v1", "persistentvolumeclaims"};
inline const Resource kEvents{"events.k8s.io", "v1", "events"};
inline const Resource kLeases{"coordination.k8s.io", "v1", "leases"};
inline const Resource kDisruptionBudgets{"policy", "v1", "poddisruptionbudgets"};
inline const Resource kPriorityClasses{"scheduling.k8s.io", "v1", "priorityclasses", false};
inline const Resource kStorageClasses{"storage.k8s.io", "v1", "storageclasses", false};
inline const Resource kResourceClaims{"resource.k8s.io", "v1", "resourceclaims"};
inline const Resource kResourceClaimTemplates{"resource.k8s.io", "v1", "resourceclaimtemplates"};
inline const Resource kResourceSlices{"resource.k8s.io", "v1", "resourceslices", false};
inline const Resource kDeviceClasses{"resource.k8s.io", "v1", "deviceclasses", false};
inline const Resource kCustomResourceDefinitions{"apiextensions.k8s.io", "v1",
                                                 "customresourcedefinitions", false};

}  // namespace flexai::kube

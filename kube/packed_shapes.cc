// What of each object is wanted, with the numbers of k8s.io/api 0.36: all that anybody here reads
// of it. A field that is read from now on is to be named here as well.
#include "kube/packed.h"

namespace flexai::kube {
namespace {

using As = PackedField::As;

constexpr PackedField kOwnerFields[] = {{1, "kind", As::kText},
                                        {3, "name", As::kText},
                                        {4, "uid", As::kText},
                                        {5, "apiVersion", As::kText},
                                        {6, "controller", As::kBool}};
constexpr Shape kOwner{"OwnerReference", {kOwnerFields}};
constexpr PackedField kMetaFields[] = {{1, "name", As::kText},
                                       {3, "namespace", As::kText},
                                       {5, "uid", As::kText},
                                       {6, "resourceVersion", As::kText},
                                       {7, "generation", As::kInt},
                                       {8, "creationTimestamp", As::kTime},
                                       {9, "deletionTimestamp", As::kTime},
                                       {11, "labels", As::kTextMap},
                                       {12, "annotations", As::kTextMap},
                                       {13, "ownerReferences", As::kMessages, &kOwner},
                                       {14, "finalizers", As::kTexts}};
constexpr Shape kMeta{"ObjectMeta", {kMetaFields}};
constexpr PackedField kPortFields[] = {
    {2, "hostPort", As::kInt}, {4, "protocol", As::kText}, {5, "hostIP", As::kText}};
constexpr Shape kPort{"ContainerPort", {kPortFields}};
constexpr PackedField kResourcesFields[] = {{2, "requests", As::kQuantityMap}};
constexpr Shape kResources{"ResourceRequirements", {kResourcesFields}};
constexpr PackedField kContainerFields[] = {{6, "ports", As::kMessages, &kPort},
                                            {8, "resources", As::kMessage, &kResources},
                                            {24, "restartPolicy", As::kText}};
constexpr Shape kContainer{"Container", {kContainerFields}};
constexpr PackedField kRequirementFields[] = {
    {1, "key", As::kText}, {2, "operator", As::kText}, {3, "values", As::kTexts}};
constexpr Shape kRequirement{"NodeSelectorRequirement", {kRequirementFields}};
constexpr PackedField kTermFields[] = {{1, "matchExpressions", As::kMessages, &kRequirement},
                                       {2, "matchFields", As::kMessages, &kRequirement}};
constexpr Shape kTerm{"NodeSelectorTerm", {kTermFields}};
constexpr PackedField kSelectorFields[] = {{1, "nodeSelectorTerms", As::kMessages, &kTerm}};
constexpr Shape kSelector{"NodeSelector", {kSelectorFields}};
constexpr PackedField kNodeAffinityFields[] = {
    {1, "requiredDuringSchedulingIgnoredDuringExecution", As::kMessage, &kSelector}};
constexpr Shape kNodeAffinity{"NodeAffinity", {kNodeAffinityFields}};
constexpr PackedField kAffinityFields[] = {{1, "nodeAffinity", As::kMessage, &kNodeAffinity}};
constexpr Shape kAffinity{"Affinity", {kAffinityFields}};
constexpr PackedField kTolerationFields[] = {{1, "key", As::kText},
                                             {2, "operator", As::kText},
                                             {3, "value", As::kText},
                                             {4, "effect", As::kText},
                                             {5, "tolerationSeconds", As::kInt, nullptr, true}};
constexpr Shape kToleration{"Toleration", {kTolerationFields}};
constexpr Shape kNothing{"EphemeralVolumeSource", {}};
constexpr PackedField kVolumeClaimFields[] = {{1, "claimName", As::kText}};
constexpr Shape kVolumeClaim{"PersistentVolumeClaimVolumeSource", {kVolumeClaimFields}};
constexpr PackedField kVolumeSourceFields[] = {
    {10, "persistentVolumeClaim", As::kMessage, &kVolumeClaim},
    {29, "ephemeral", As::kMessage, &kNothing}};
constexpr Shape kVolumeSource{"VolumeSource", {kVolumeSourceFields}};
constexpr PackedField kVolumeFields[] = {{1, "name", As::kText},
                                         {2, "volumeSource", As::kInline, &kVolumeSource}};
constexpr Shape kVolume{"Volume", {kVolumeFields}};
constexpr PackedField kPodClaimFields[] = {{1, "name", As::kText},
                                           {3, "resourceClaimName", As::kText},
                                           {4, "resourceClaimTemplateName", As::kText}};
constexpr Shape kPodClaim{"PodResourceClaim", {kPodClaimFields}};
constexpr PackedField kGateFields[] = {{1, "name", As::kText}};
constexpr Shape kGate{"PodSchedulingGate", {kGateFields}};
constexpr PackedField kPodSpecFields[] = {{1, "volumes", As::kMessages, &kVolume},
                                          {2, "containers", As::kMessages, &kContainer},
                                          {7, "nodeSelector", As::kTextMap},
                                          {10, "nodeName", As::kText},
                                          {18, "affinity", As::kMessage, &kAffinity},
                                          {20, "initContainers", As::kMessages, &kContainer},
                                          {22, "tolerations", As::kMessages, &kToleration},
                                          {25, "priority", As::kInt},
                                          {32, "overhead", As::kQuantityMap},
                                          {38, "schedulingGates", As::kMessages, &kGate},
                                          {39, "resourceClaims", As::kMessages, &kPodClaim},
                                          {40, "resources", As::kMessage, &kResources}};
constexpr Shape kPodSpec{"PodSpec", {kPodSpecFields}};
constexpr PackedField kConditionFields[] = {{1, "type", As::kText},
                                            {2, "status", As::kText},
                                            {5, "reason", As::kText},
                                            {6, "message", As::kText}};
constexpr Shape kCondition{"PodCondition", {kConditionFields}};
constexpr PackedField kPodClaimStatusFields[] = {{1, "name", As::kText},
                                                 {2, "resourceClaimName", As::kText}};
constexpr Shape kPodClaimStatus{"PodResourceClaimStatus", {kPodClaimStatusFields}};
constexpr PackedField kPodStatusFields[] = {
    {1, "phase", As::kText},
    {2, "conditions", As::kMessages, &kCondition},
    {15, "resourceClaimStatuses", As::kMessages, &kPodClaimStatus}};
constexpr Shape kPodStatus{"PodStatus", {kPodStatusFields}};
constexpr PackedField kPackedPodFields[] = {{1, "metadata", As::kMessage, &kMeta},
                                            {2, "spec", As::kMessage, &kPodSpec},
                                            {3, "status", As::kMessage, &kPodStatus}};
constexpr PackedField kTaintFields[] = {
    {1, "key", As::kText}, {2, "value", As::kText}, {3, "effect", As::kText}};
constexpr Shape kTaint{"Taint", {kTaintFields}};
constexpr PackedField kNodeSpecFields[] = {{4, "unschedulable", As::kBool},
                                           {5, "taints", As::kMessages, &kTaint}};
constexpr Shape kNodeSpec{"NodeSpec", {kNodeSpecFields}};
constexpr PackedField kNodeStatusFields[] = {{2, "allocatable", As::kQuantityMap}};
constexpr Shape kNodeStatus{"NodeStatus", {kNodeStatusFields}};
constexpr PackedField kPackedNodeFields[] = {{1, "metadata", As::kMessage, &kMeta},
                                             {2, "spec", As::kMessage, &kNodeSpec},
                                             {3, "status", As::kMessage, &kNodeStatus}};
constexpr PackedField kCelFields[] = {{1, "expression", As::kText}};
constexpr Shape kCel{"CELDeviceSelector", {kCelFields}};
constexpr PackedField kDeviceSelectorFields[] = {{1, "cel", As::kMessage, &kCel}};
constexpr Shape kDeviceSelector{"DeviceSelector", {kDeviceSelectorFields}};
constexpr PackedField kDeviceTolerationFields[] = {
    {1, "key", As::kText},
    {2, "operator", As::kText},
    {3, "value", As::kText},
    {4, "effect", As::kText},
    {5, "tolerationSeconds", As::kInt, nullptr, true}};
constexpr Shape kDeviceToleration{"DeviceToleration", {kDeviceTolerationFields}};
constexpr PackedField kAskedFields[] = {{1, "requests", As::kQuantityMap}};
constexpr Shape kAsked{"CapacityRequirements", {kAskedFields}};
constexpr PackedField kExactlyFields[] = {
    {1, "deviceClassName", As::kText},     {2, "selectors", As::kMessages, &kDeviceSelector},
    {3, "allocationMode", As::kText},      {4, "count", As::kInt},
    {5, "adminAccess", As::kBool},         {6, "tolerations", As::kMessages, &kDeviceToleration},
    {7, "capacity", As::kMessage, &kAsked}};
constexpr Shape kExactly{"ExactDeviceRequest", {kExactlyFields}};
constexpr PackedField kSubFields[] = {{1, "name", As::kText},
                                      {2, "deviceClassName", As::kText},
                                      {3, "selectors", As::kMessages, &kDeviceSelector},
                                      {4, "allocationMode", As::kText},
                                      {5, "count", As::kInt},
                                      {6, "tolerations", As::kMessages, &kDeviceToleration},
                                      {7, "capacity", As::kMessage, &kAsked}};
constexpr Shape kSub{"DeviceSubRequest", {kSubFields}};
constexpr PackedField kRequestFields[] = {{1, "name", As::kText},
                                          {2, "exactly", As::kMessage, &kExactly},
                                          {3, "firstAvailable", As::kMessages, &kSub}};
constexpr Shape kRequest{"DeviceRequest", {kRequestFields}};
constexpr PackedField kConstraintFields[] = {{1, "requests", As::kTexts},
                                             {2, "matchAttribute", As::kText},
                                             {3, "distinctAttribute", As::kText}};
constexpr Shape kConstraint{"DeviceConstraint", {kConstraintFields}};
constexpr PackedField kOpaqueFields[] = {{1, "driver", As::kText}, {2, "parameters", As::kJson}};
constexpr Shape kOpaque{"OpaqueDeviceConfiguration", {kOpaqueFields}};
constexpr PackedField kConfigurationFields[] = {{1, "opaque", As::kMessage, &kOpaque}};
constexpr Shape kConfiguration{"DeviceConfiguration", {kConfigurationFields}};
constexpr PackedField kClaimConfigFields[] = {
    {1, "requests", As::kTexts}, {2, "deviceConfiguration", As::kInline, &kConfiguration}};
constexpr Shape kClaimConfig{"DeviceClaimConfiguration", {kClaimConfigFields}};
constexpr PackedField kDeviceClaimFields[] = {{1, "requests", As::kMessages, &kRequest},
                                              {2, "constraints", As::kMessages, &kConstraint},
                                              {3, "config", As::kMessages, &kClaimConfig}};
constexpr Shape kDeviceClaim{"DeviceClaim", {kDeviceClaimFields}};
constexpr PackedField kClaimSpecFields[] = {{1, "devices", As::kMessage, &kDeviceClaim}};
constexpr Shape kClaimSpec{"ResourceClaimSpec", {kClaimSpecFields}};
constexpr PackedField kResultFields[] = {{1, "request", As::kText},
                                         {2, "driver", As::kText},
                                         {3, "pool", As::kText},
                                         {4, "device", As::kText},
                                         {5, "adminAccess", As::kBool},
                                         {6, "tolerations", As::kMessages, &kDeviceToleration},
                                         {7, "bindingConditions", As::kTexts},
                                         {8, "bindingFailureConditions", As::kTexts},
                                         {9, "shareID", As::kText},
                                         {10, "consumedCapacity", As::kQuantityMap}};
constexpr Shape kResult{"DeviceRequestAllocationResult", {kResultFields}};
constexpr PackedField kGivenConfigFields[] = {
    {1, "source", As::kText},
    {2, "requests", As::kTexts},
    {3, "deviceConfiguration", As::kInline, &kConfiguration}};
constexpr Shape kGivenConfig{"DeviceAllocationConfiguration", {kGivenConfigFields}};
constexpr PackedField kGivenDevicesFields[] = {{1, "results", As::kMessages, &kResult},
                                               {2, "config", As::kMessages, &kGivenConfig}};
constexpr Shape kGivenDevices{"DeviceAllocationResult", {kGivenDevicesFields}};
constexpr PackedField kAllocationFields[] = {{1, "devices", As::kMessage, &kGivenDevices},
                                             {3, "nodeSelector", As::kMessage, &kSelector}};
constexpr Shape kAllocation{"AllocationResult", {kAllocationFields}};
constexpr PackedField kConsumerFields[] = {{1, "apiGroup", As::kText},
                                           {3, "resource", As::kText},
                                           {4, "name", As::kText},
                                           {5, "uid", As::kText}};
constexpr Shape kConsumer{"ResourceClaimConsumerReference", {kConsumerFields}};
constexpr PackedField kClaimStatusFields[] = {{1, "allocation", As::kMessage, &kAllocation},
                                              {2, "reservedFor", As::kMessages, &kConsumer}};
constexpr Shape kClaimStatus{"ResourceClaimStatus", {kClaimStatusFields}};
constexpr PackedField kPackedClaimFields[] = {{1, "metadata", As::kMessage, &kMeta},
                                              {2, "spec", As::kMessage, &kClaimSpec},
                                              {3, "status", As::kMessage, &kClaimStatus}};
constexpr PackedField kAttributeFields[] = {{2, "int", As::kInt, nullptr, true},
                                            {3, "bool", As::kBool, nullptr, true},
                                            {4, "string", As::kText, nullptr, true},
                                            {5, "version", As::kText, nullptr, true}};
constexpr Shape kAttribute{"DeviceAttribute", {kAttributeFields}};
constexpr PackedField kRangeFields[] = {
    {1, "min", As::kQuantity}, {2, "max", As::kQuantity}, {3, "step", As::kQuantity}};
constexpr Shape kRange{"CapacityRequestPolicyRange", {kRangeFields}};
constexpr PackedField kPolicyFields[] = {{1, "default", As::kQuantity},
                                         {3, "validValues", As::kQuantities},
                                         {4, "validRange", As::kMessage, &kRange}};
constexpr Shape kPolicy{"CapacityRequestPolicy", {kPolicyFields}};
constexpr PackedField kCapacityFields[] = {{1, "value", As::kQuantity},
                                           {2, "requestPolicy", As::kMessage, &kPolicy}};
constexpr Shape kCapacity{"DeviceCapacity", {kCapacityFields}};
constexpr PackedField kDeviceTaintFields[] = {
    {1, "key", As::kText}, {2, "value", As::kText}, {3, "effect", As::kText}};
constexpr Shape kDeviceTaint{"DeviceTaint", {kDeviceTaintFields}};
constexpr PackedField kCountersFields[] = {{1, "counterSet", As::kText}};
constexpr Shape kCounters{"DeviceCounterConsumption", {kCountersFields}};
constexpr PackedField kDeviceFields[] = {{1, "name", As::kText},
                                         {2, "attributes", As::kMessageMap, &kAttribute},
                                         {3, "capacity", As::kMessageMap, &kCapacity},
                                         {4, "consumesCounters", As::kMessages, &kCounters},
                                         {8, "taints", As::kMessages, &kDeviceTaint},
                                         {10, "bindingConditions", As::kTexts},
                                         {12, "allowMultipleAllocations", As::kBool}};
constexpr Shape kDevice{"Device", {kDeviceFields}};
constexpr PackedField kPoolFields[] = {
    {1, "name", As::kText}, {2, "generation", As::kInt}, {3, "resourceSliceCount", As::kInt}};
constexpr Shape kPool{"ResourcePool", {kPoolFields}};
constexpr PackedField kSliceSpecFields[] = {{1, "driver", As::kText},
                                            {2, "pool", As::kMessage, &kPool},
                                            {3, "nodeName", As::kText},
                                            {6, "devices", As::kMessages, &kDevice}};
constexpr Shape kSliceSpec{"ResourceSliceSpec", {kSliceSpecFields}};
constexpr PackedField kPackedSliceFields[] = {{1, "metadata", As::kMessage, &kMeta},
                                              {2, "spec", As::kMessage, &kSliceSpec}};

}  // namespace

const Shape kPackedPod{"Pod", kPackedPodFields};
const Shape kPackedNode{"Node", kPackedNodeFields};
const Shape kPackedClaim{"ResourceClaim", kPackedClaimFields};
const Shape kPackedSlice{"ResourceSlice", kPackedSliceFields};

std::span<const Shape* const> all_shapes() {
  static constexpr const Shape* kAll[] = {&kOwner,
                                          &kMeta,
                                          &kPort,
                                          &kResources,
                                          &kContainer,
                                          &kRequirement,
                                          &kTerm,
                                          &kSelector,
                                          &kNodeAffinity,
                                          &kAffinity,
                                          &kToleration,
                                          &kNothing,
                                          &kVolumeClaim,
                                          &kVolumeSource,
                                          &kVolume,
                                          &kPodClaim,
                                          &kGate,
                                          &kPodSpec,
                                          &kCondition,
                                          &kPodClaimStatus,
                                          &kPodStatus,
                                          &kPackedPod,
                                          &kTaint,
                                          &kNodeSpec,
                                          &kNodeStatus,
                                          &kPackedNode,
                                          &kCel,
                                          &kDeviceSelector,
                                          &kDeviceToleration,
                                          &kAsked,
                                          &kExactly,
                                          &kSub,
                                          &kRequest,
                                          &kConstraint,
                                          &kOpaque,
                                          &kConfiguration,
                                          &kClaimConfig,
                                          &kDeviceClaim,
                                          &kClaimSpec,
                                          &kResult,
                                          &kGivenConfig,
                                          &kGivenDevices,
                                          &kAllocation,
                                          &kConsumer,
                                          &kClaimStatus,
                                          &kPackedClaim,
                                          &kAttribute,
                                          &kRange,
                                          &kPolicy,
                                          &kCapacity,
                                          &kDeviceTaint,
                                          &kCounters,
                                          &kDevice,
                                          &kPool,
                                          &kSliceSpec,
                                          &kPackedSlice};
  return kAll;
}

}  // namespace flexai::kube

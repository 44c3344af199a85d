// Which card an OpenCL device is, the same in every process of the host.
//
// Works on any Table of an OpenCL host: a vendor library's own (the probe) or the next one below a
// layer. Threads: any. Asks the driver only for properties; never blocks on the card.
#pragma once

#include <string>

#include "driver/opencl/table.h"

namespace flexai::driver::opencl {

// Longest key; fits AttachedSlice::card_key with its NUL.
inline constexpr size_t kMaxKey = 255;

// "opencl/PLATFORM/DEVICE/WHICH": printable ASCII, at most kMaxKey bytes. WHICH is "uuid-..." where
// the driver tells one (cl_khr_device_uuid), else "pci-DDDD:BB:DD.F" (cl_khr_pci_bus_info, NVIDIA's
// and AMD's attributes), else nothing; then "#N", the index among devices of the platform that are
// equal so far, in the order of CL_DEVICE_TYPE_ALL. So two cards never have the same key, and a
// card has the same in all processes that see the same list of cards (drivers without UUID and PCI
// address number their cards by their own environment variables, such as POCL_DEVICES). A
// sub-device has its card's key. Empty when the driver does not answer.
std::string device_key(const Table& table, cl_platform_id platform, cl_device_id device);

// Where it is on the PCI bus, "DDDD:BB:DD.F"; empty: the driver does not say, or it is not there.
std::string pci_address(const Table& table, cl_device_id device);

// Whether transfers between host and card run beside kernels: true for GPUs and accelerators with
// memory of their own, false for CPUs and cards that share the host's memory.
bool has_copy_engine(const Table& table, cl_device_id device);

// Properties as text and as value; empty and nullopt-like `fallback` when the driver does not
// answer.
std::string device_text(const Table& table, cl_device_id device, cl_device_info info);
std::string platform_text(const Table& table, cl_platform_id platform, cl_platform_info info);
template <typename T>
T device_value(const Table& table, cl_device_id device, cl_device_info info, T fallback) {
  T value = fallback;
  if (table.clGetDeviceInfo == nullptr ||
      table.clGetDeviceInfo(device, info, sizeof(value), &value, nullptr) != CL_SUCCESS)
    return fallback;
  return value;
}

}  // namespace flexai::driver::opencl

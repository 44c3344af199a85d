#include "driver/opencl/identity.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>
#include <vector>

namespace flexai::driver::opencl {
namespace {

// cl_nv_device_attribute_query and cl_amd_device_attribute_query; not in the Khronos headers.
constexpr cl_device_info kPciBusNv = 0x4008;
constexpr cl_device_info kPciSlotNv = 0x4009;
constexpr cl_device_info kPciDomainNv = 0x400a;
constexpr cl_device_info kTopologyAmd = 0x4037;

constexpr size_t kMaxName = 90;  // bytes of platform and of device name in a key

std::string printable(std::string_view text) {
  std::string result(text.substr(0, kMaxName));
  for (char& c : result)
    if (c <= ' ' || c > '~' || c == '/') c = '_';
  return result;
}

bool lists(const std::string& extensions, std::string_view name) {
  return (" " + extensions + " ").find(" " + std::string(name) + " ") != std::string::npos;
}

std::string pci_text(unsigned domain, unsigned bus, unsigned device, unsigned function) {
  char text[40];
  std::snprintf(text, sizeof(text), "pci-%04x:%02x:%02x.%x", domain, bus, device, function);
  return text;
}

std::string uuid_of(const Table& table, cl_device_id device) {
  using Uuid = std::array<cl_uchar, CL_UUID_SIZE_KHR>;
  const auto uuid = device_value(table, device, CL_DEVICE_UUID_KHR, Uuid{});
  if (uuid == Uuid{}) return {};
  std::string text = "uuid-";
  for (const unsigned byte : uuid) {
    char digits[3];
    std::snprintf(digits, sizeof(digits), "%02x", byte & 0xff);
    text += digits;
  }
  return text;
}

// AMD's answer: a type word, 17 unused bytes, then bus, device, function (type 1 = PCIe).
std::string amd_pci_of(const Table& table, cl_device_id device) {
  struct Topology {
    cl_uint type;
    cl_uchar unused[17];
    cl_uchar bus, device, function;
  };
  static_assert(sizeof(Topology) == 24);
  const auto topology = device_value(table, device, kTopologyAmd, Topology{});
  if (topology.type != 1) return {};
  return pci_text(0, topology.bus, topology.device, topology.function);
}

std::string pci_of(const Table& table, cl_device_id device, const std::string& extensions) {
  std::string text;
  if (lists(extensions, "cl_khr_pci_bus_info")) {
    constexpr cl_uint kNone = ~0u;
    const auto pci = device_value(table, device, CL_DEVICE_PCI_BUS_INFO_KHR,
                                  cl_device_pci_bus_info_khr{kNone, kNone, kNone, kNone});
    if (pci.pci_bus != kNone)
      text = pci_text(pci.pci_domain, pci.pci_bus, pci.pci_device, pci.pci_function);
  }
  if (text.empty() && lists(extensions, "cl_nv_device_attribute_query")) {
    const auto bus = device_value<cl_int>(table, device, kPciBusNv, -1);
    const auto slot = device_value<cl_int>(table, device, kPciSlotNv, -1);
    const auto domain = device_value<cl_int>(table, device, kPciDomainNv, 0);
    if (bus >= 0 && slot >= 0)
      text = pci_text(static_cast<unsigned>(domain), static_cast<unsigned>(bus),
                      static_cast<unsigned>(slot) >> 3, static_cast<unsigned>(slot) & 7);
  }
  if (text.empty() && lists(extensions, "cl_amd_device_attribute_query"))
    text = amd_pci_of(table, device);
  return text;
}

std::string hardware_of(const Table& table, cl_device_id device) {
  const std::string extensions = device_text(table, device, CL_DEVICE_EXTENSIONS);
  std::string text;
  if (lists(extensions, "cl_khr_device_uuid")) text = uuid_of(table, device);
  return text.empty() ? pci_of(table, device, extensions) : text;
}

std::string stem(const Table& table, const std::string& platform, cl_device_id device) {
  return "opencl/" + platform + "/" + printable(device_text(table, device, CL_DEVICE_NAME)) + "/" +
         hardware_of(table, device);
}

std::vector<cl_device_id> devices_of(const Table& table, cl_platform_id platform) {
  cl_uint count = 0;
  if (table.clGetDeviceIDs == nullptr ||
      table.clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, nullptr, &count) != CL_SUCCESS)
    return {};
  std::vector<cl_device_id> devices(count);
  if (count > 0 && table.clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, count, devices.data(),
                                        &count) != CL_SUCCESS)
    return {};
  devices.resize(std::min<size_t>(devices.size(), count));
  return devices;
}

// The card that a sub-device is a part of.
cl_device_id root_of(const Table& table, cl_device_id device) {
  constexpr int kDeepest = 16;
  for (int depth = 0; depth < kDeepest; ++depth) {
    const auto parent = device_value<cl_device_id>(table, device, CL_DEVICE_PARENT_DEVICE, nullptr);
    if (parent == nullptr) break;
    device = parent;
  }
  return device;
}

template <typename Query>
std::string text_of(Query query) {
  constexpr size_t kLongest = 1 << 20;
  size_t size = 0;
  if (query(0, nullptr, &size) != CL_SUCCESS || size == 0 || size > kLongest) return {};
  std::string text(size, '\0');
  if (query(size, text.data(), nullptr) != CL_SUCCESS) return {};
  return text.substr(0, text.find('\0'));
}

}  // namespace

std::string device_text(const Table& table, cl_device_id device, cl_device_info info) {
  if (table.clGetDeviceInfo == nullptr) return {};
  return text_of([&](size_t size, char* value, size_t* size_ret) {
    return table.clGetDeviceInfo(device, info, size, value, size_ret);
  });
}

std::string platform_text(const Table& table, cl_platform_id platform, cl_platform_info info) {
  if (table.clGetPlatformInfo == nullptr) return {};
  return text_of([&](size_t size, char* value, size_t* size_ret) {
    return table.clGetPlatformInfo(platform, info, size, value, size_ret);
  });
}

std::string device_key(const Table& table, cl_platform_id platform, cl_device_id device) {
  device = root_of(table, device);
  const std::string name = printable(platform_text(table, platform, CL_PLATFORM_NAME));
  const std::string own = stem(table, name, device);
  size_t equals = 0;
  for (const cl_device_id other : devices_of(table, platform)) {
    if (other == device) return own + "#" + std::to_string(equals);
    if (stem(table, name, other) == own) ++equals;
  }
  return {};  // not a device of this platform
}

std::string pci_address(const Table& table, cl_device_id device) {
  const std::string text = pci_of(table, device, device_text(table, device, CL_DEVICE_EXTENSIONS));
  return text.empty() ? text : text.substr(4);
}

bool has_copy_engine(const Table& table, cl_device_id device) {
  const auto type = device_value<cl_device_type>(table, device, CL_DEVICE_TYPE, 0);
  const auto unified =
      device_value<cl_bool>(table, device, CL_DEVICE_HOST_UNIFIED_MEMORY, CL_FALSE);
  return (type & CL_DEVICE_TYPE_CPU) == 0 && type != 0 && unified == CL_FALSE;
}

}  // namespace flexai::driver::opencl

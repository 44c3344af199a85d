#include "remote/opencl/worker/splits.h"

#include <algorithm>

#include "remote/opencl/kind.h"

namespace flexai::remote::opencl {

void Splits::add(Split split, const HandleMap& handles) {
  for (cl_device_id part : split.parts) table_.clRetainDevice(part);
  all_.push_back(std::move(split));
  if (all_.size() <= kMost) return;
  std::vector<const void*> named;
  for (const HandleMap::Entry& entry : handles.all(kDevice)) named.push_back(entry.object);
  for (const Split& one : all_) named.push_back(one.device);
  std::sort(named.begin(), named.end());
  std::erase_if(all_, [&](const Split& one) {
    if (std::ranges::any_of(one.parts, [&](cl_device_id part) {
          return std::binary_search(named.begin(), named.end(), static_cast<const void*>(part));
        }))
      return false;
    for (cl_device_id part : one.parts) table_.clReleaseDevice(part);
    return true;
  });
}

}  // namespace flexai::remote::opencl

#include "remote/opencl/worker/splits.h"

#include <algorithm>
#include <set>

#include "remote/opencl/kind.h"

namespace flexai::remote::opencl {

void Splits::add(Split split, const HandleMap& handles) {
  all_.push_back(std::move(split));
  if (all_.size() <= kMost) return;
  std::set<const void*> named;
  for (const HandleMap::Entry& entry : handles.all(kDevice)) named.insert(entry.object);
  // From the last on: an address that is named is that of the last part which has it.
  std::vector<Split> kept;
  for (auto one = all_.rbegin(); one != all_.rend(); ++one) {
    size_t wanted = 0;
    for (cl_device_id part : one->parts) wanted += named.erase(part);
    if (wanted == 0) continue;
    named.insert(one->device);
    kept.push_back(std::move(*one));
  }
  std::reverse(kept.begin(), kept.end());
  all_ = std::move(kept);
}

}  // namespace flexai::remote::opencl

#include "remote/opencl/wide/table.h"

namespace flexai::remote::opencl::wide {

const Table& wide_table() {
  static const Table* const made = [] {
    auto* table = new Table(below());
    for (auto add : {add_contexts, add_queues, add_memory, add_images, add_transfers, add_maps,
                     add_programs, add_builds, add_kernels, add_events})
      add(*table);
    return table;
  }();
  return *made;
}

const cl_icd_dispatch* wide_dispatch() {
  static const auto* const made =
      new cl_icd_dispatch(driver::opencl::dispatch_from_table(wide_table()));
  return made;
}

}  // namespace flexai::remote::opencl::wide

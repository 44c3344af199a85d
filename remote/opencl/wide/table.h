// The table of calls on wide objects, made once of what each file here adds to the table below.
// What is not added is the client's, which finds none of its own objects and says so.
// Threads: any.
#pragma once

#include "remote/opencl/wide/object.h"

namespace flexai::remote::opencl::wide {

const cl_icd_dispatch* wide_dispatch();
const Table& wide_table();

// A context on devices of several hosts, already checked for nothing but that.
cl_context create_context(const std::vector<cl_context_properties>& given,
                          const cl_context_properties* travel, cl_uint num_devices,
                          const cl_device_id* devices, ContextNotify notify, void* user_data,
                          cl_int* errcode_ret);
// Whether the devices, of which some may be none, are of several hosts.
bool are_wide(cl_uint num_devices, const cl_device_id* devices);

void add_contexts(Table& table);
void add_queues(Table& table);
void add_memory(Table& table);
void add_images(Table& table);
void add_transfers(Table& table);
void add_maps(Table& table);
void add_programs(Table& table);
void add_builds(Table& table);
void add_kernels(Table& table);
void add_events(Table& table);

}  // namespace flexai::remote::opencl::wide

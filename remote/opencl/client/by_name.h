// The client's functions that a program may ask for by name. Any thread.
#pragma once

#include <vector>

#include "remote/opencl/client/object.h"

namespace flexai::remote::opencl {

// Null for those the Spec does not list or refuses.
void* function_named(const char* name);

// What is found as clIcdGetPlatformIDsKHR: the library's own export. Before any call.
void set_icd_function(void* function);

// The cards of a type, as clGetDeviceIDs counts them.
std::vector<Device*> devices_of(cl_device_type type);

}  // namespace flexai::remote::opencl

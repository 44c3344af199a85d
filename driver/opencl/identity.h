#pragma once
#include <string>
#include "driver/opencl/table.h"
namespace flexai::driver::opencl { std::string device_key(const Table&, cl_platform_id, cl_device_id); }

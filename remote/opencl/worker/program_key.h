// Program key: what comes out of building a program from source depends on, as one digest: text,
// options, driver, devices. Threads: any. Asks the driver for properties only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "driver/opencl/table.h"
#include "wire/digest.h"

namespace flexai::remote::opencl {

// Whether building this depends on more: on files (#include), on the time of day. Says so too often
// rather than too seldom.
bool depends_on_more(std::string_view source, std::string_view options);

// What of a driver and its devices decides what a program becomes there, its library's file
// included: of a driver that was replaced it is another text, also when both call themselves equal.
std::string driver_description(const driver::opencl::Table& table,
                               const std::vector<cl_device_id>& devices);

base::Result<wire::Digest> program_key(const std::string& driver, const wire::Digest& source,
                                       std::string_view options);

}  // namespace flexai::remote::opencl

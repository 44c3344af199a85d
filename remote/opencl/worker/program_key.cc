#include "remote/opencl/worker/program_key.h"

#include <dlfcn.h>
#include <sys/stat.h>

#include <cstring>

#include "driver/opencl/identity.h"

namespace flexai::remote::opencl {

using driver::opencl::device_text;
using driver::opencl::platform_text;
using driver::opencl::Table;

namespace {

constexpr uint16_t kVersion = 1;

// A directive may be cut in two by a line's end after a backslash.
std::string spliced(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\\' && i + 1 < source.size() && source[i + 1] == '\n') {
      ++i;
    } else if (source[i] == '\\' && source.substr(i + 1, 2) == "\r\n") {
      i += 2;
    } else {
      text += source[i];
    }
  }
  return text;
}

// `word` after what may begin a directive: '#', "%:", the end of a comment; or in __has_include.
bool is_directive(std::string_view text, std::string_view word) {
  for (size_t at = text.find(word); at != text.npos; at = text.find(word, at + 1)) {
    const size_t before = at == 0 ? text.npos : text.find_last_not_of(" \t\f\v", at - 1);
    if (before != text.npos && std::string_view("#:/_").find(text[before]) != text.npos)
      return true;
  }
  return false;
}

// An object's first word is its dispatch table (cl_khr_icd), whose first words are functions of the
// driver.
std::string library_of(cl_device_id device) {
  void* const* dispatch = nullptr;
  std::memcpy(&dispatch, reinterpret_cast<const void*>(device), sizeof dispatch);
  Dl_info about{};
  struct stat file {};
  if (dispatch == nullptr || ::dladdr(dispatch[0], &about) == 0 || about.dli_fname == nullptr ||
      ::stat(about.dli_fname, &file) != 0)
    return "";
  return std::to_string(file.st_size) + "." + std::to_string(file.st_mtim.tv_sec) + "." +
         std::to_string(file.st_mtim.tv_nsec);
}

constexpr cl_platform_info kPlatformTexts[] = {CL_PLATFORM_NAME, CL_PLATFORM_VENDOR,
                                               CL_PLATFORM_VERSION};
constexpr cl_device_info kDeviceTexts[] = {
    CL_DEVICE_NAME,    CL_DEVICE_VENDOR,           CL_DEVICE_VERSION,
    CL_DRIVER_VERSION, CL_DEVICE_OPENCL_C_VERSION, CL_DEVICE_EXTENSIONS,
    CL_DEVICE_PROFILE};

}  // namespace

bool depends_on_more(std::string_view source, std::string_view options) {
  const std::string text = spliced(source);
  for (const char* word : {"include", "import", "embed"})
    if (is_directive(text, word)) return true;
  for (const char* word : {"__DATE__", "__TIME", "?\?"})
    if (text.find(word) != std::string::npos) return true;
  for (const char* word : {"include", "imacros", "__DATE__", "__TIME", "@"})
    if (options.find(word) != std::string_view::npos) return true;
  return false;
}

std::string driver_description(const Table& table, const std::vector<cl_device_id>& devices) {
  wire::Writer all;
  for (cl_device_id device : devices) {
    const auto platform =
        driver::opencl::device_value<cl_platform_id>(table, device, CL_DEVICE_PLATFORM, nullptr);
    for (const cl_platform_info info : kPlatformTexts)
      all.text(platform_text(table, platform, info));
    for (const cl_device_info info : kDeviceTexts) all.text(device_text(table, device, info));
    all.u32(driver::opencl::device_value<cl_uint>(table, device, CL_DEVICE_VENDOR_ID, 0));
    all.u32(driver::opencl::device_value<cl_uint>(table, device, CL_DEVICE_ADDRESS_BITS, 0));
    all.u64(driver::opencl::device_value<size_t>(table, device, CL_DEVICE_MAX_WORK_GROUP_SIZE, 0));
    all.text(library_of(device));
  }
  return std::string(wire::text_of(all.bytes()));
}

base::Result<wire::Digest> program_key(const std::string& driver, const wire::Digest& source,
                                       std::string_view options) {
  wire::Writer all;
  all.u16(kVersion);
  all.text(driver);
  all.raw(source);
  all.text(options);
  if (!all.ok()) return base::fail(base::Code::kExhausted, "out of memory");
  return wire::digest_of(all.bytes());
}

}  // namespace flexai::remote::opencl

#include "driver/opencl/vendor.h"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "driver/opencl/library.h"

namespace flexai::driver::opencl {
namespace {

namespace fs = std::filesystem;
using base::Code;
using base::fail;

constexpr const char* kDefaultFolder = "/etc/OpenCL/vendors";
constexpr size_t kLongestName = 4096;

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::string real_path(const std::string& path) {
  std::error_code error;
  const fs::path real = fs::canonical(path, error);
  return error ? path : real.string();
}

std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.path().extension() == ".icd") files.push_back(entry.path().string());
  std::sort(files.begin(), files.end());
  return files;
}

std::set<std::string> loaded_libraries() {
  std::set<std::string> names;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* set) {
        if (info->dlpi_name != nullptr && info->dlpi_name[0] == '/')
          static_cast<std::set<std::string>*>(set)->insert(info->dlpi_name);
        return 0;
      },
      &names);
  return names;
}

// The library's name: the first line of an .icd file, without white space around it.
base::Result<std::string> library_of(const std::string& path) {
  if (fs::path(path).extension() != ".icd") return path;
  std::ifstream file(path);
  std::string line;
  if (!file || !std::getline(file, line))
    return fail(Code::kNotFound, path + ": cannot be read or is empty");
  const auto begin = line.find_first_not_of(" \t\r");
  if (begin == std::string::npos || line.size() > kLongestName)
    return fail(Code::kInvalid, path + ": does not name a library");
  return line.substr(begin, line.find_last_not_of(" \t\r") - begin + 1);
}

}  // namespace

std::vector<std::string> icd_files() {
  const char* vendors = std::getenv("OCL_ICD_VENDORS");
  if (vendors == nullptr || vendors[0] == '\0') vendors = std::getenv("OPENCL_VENDOR_PATH");
  if (vendors == nullptr || vendors[0] == '\0') vendors = kDefaultFolder;
  std::error_code error;
  if (fs::is_regular_file(vendors, error)) return {vendors};
  return files_in(vendors);
}

std::string vendor_prefix(const std::string& library) {
  std::string name = lower(fs::path(library).filename().string());
  if (name.starts_with("lib")) name.erase(0, 3);
  name = name.substr(0, name.find("opencl"));
  name = name.substr(0, name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789"));
  return name.empty() ? "opencl" : name;
}

base::Result<Vendor> load_vendor(const std::string& path) {
  FLEXAI_TRY_ASSIGN(const std::string library, library_of(path));
  const std::set<std::string> before = loaded_libraries();
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle == nullptr) {
    const char* why = dlerror();
    return fail(Code::kNotFound, path + ": " + (why == nullptr ? "cannot be loaded" : why) +
                                     "; install the driver or remove the file");
  }
  Vendor vendor;
  link_map* map = nullptr;
  const bool named = dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 && map != nullptr;
  vendor.library = real_path(named && map->l_name[0] != '\0' ? map->l_name : library);
  vendor.prefix = vendor_prefix(library);
  vendor.table = table_from_library(handle);
  if (vendor.table.clGetPlatformIDs == nullptr)
    return fail(Code::kUnsupported, path + ": " + vendor.library + " is not an OpenCL driver");
  vendor.files = {vendor.library};
  for (const std::string& name : loaded_libraries()) {
    const std::string real = real_path(name);
    if (before.contains(name) || real == vendor.library) continue;
    if (lower(fs::path(real).filename().string()).find(vendor.prefix) != std::string::npos)
      vendor.files.push_back(real);
  }
  return vendor;
}

}  // namespace flexai::driver::opencl

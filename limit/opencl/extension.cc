// Extension functions: closed by default. A program gets our wrapper, a pointer the Spec declares
// harmless, or nothing.
#include <ctype.h>
#include <string.h>

#include "limit/opencl/entries.h"
#include "limit/opencl/process.h"

namespace flexai::limit::opencl {
namespace {

// Names of extension functions end in the vendor's capitals; core functions do not.
bool of_extension(const char* name) {
  size_t size = strlen(name);
  return size != 0 && isupper(static_cast<unsigned char>(name[size - 1])) != 0;
}

void* answer(cl_platform_id platform, const char* name, void* drivers) {
  if (drivers == nullptr) return nullptr;  // the driver has no such function, so neither have we
  if (of_extension(name) && platform != Process::get().extension_platform()) return nullptr;
  ExtensionEntry entry = extension_entry(name);
  switch (entry.action) {
    case ExtensionAction::kWrap:
      return entry.wrapper;
    case ExtensionAction::kPass:
      return drivers;
    case ExtensionAction::kRefuse:
      break;
  }
  return nullptr;
}

}  // namespace

void* CL_API_CALL limit_clGetExtensionFunctionAddressForPlatform(cl_platform_id platform,
                                                                 const char* name) {
  if (name == nullptr) return nullptr;
  Process& process = Process::get();
  process.tenants();  // the first call of a program may be this one
  void* drivers = process.next().clGetExtensionFunctionAddressForPlatform(platform, name);
  return answer(platform, name, drivers);
}

void* CL_API_CALL limit_clGetExtensionFunctionAddress(const char* name) {
  // The old form names no platform; the loader asks the first one that knows the prefix, and so do
  // we.
  if (name == nullptr) return nullptr;
  for (cl_platform_id platform : Process::get().platforms())
    if (void* found = limit_clGetExtensionFunctionAddressForPlatform(platform, name);
        found != nullptr)
      return found;
  return nullptr;
}

}  // namespace flexai::limit::opencl

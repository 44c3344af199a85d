#include "agent/shared_pages.h"

#include <fcntl.h>

#include <algorithm>
#include <iterator>
#include <new>
#include <string>

#include "agent/process.h"
#include "base/clock.h"

namespace flexai::agent {

using base::Code;
using base::fail;

base::Result<ControlFile> make_control_page(uint64_t slice_id, uint64_t incarnation) {
  FLEXAI_TRY_ASSIGN(base::Fd fd, base::make_memfd("flexai-control", limit::kControlBytes));
  FLEXAI_TRY_ASSIGN(base::Mapping mapping, base::Mapping::map(fd.get(), limit::kControlBytes,
                                                              base::Mapping::Access::kReadWrite));
  FLEXAI_TRY(base::seal_future_writes(fd.get()));
  // A descriptor opened for reading: a tenant's mprotect to writable fails even before the seal
  // does.
  std::string path = "/proc/self/fd/" + std::to_string(fd.get());
  base::Fd read_only(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!read_only.valid()) return base::fail_errno("opening the control page for reading");
  auto* page = new (mapping.data()) limit::ControlPage{};
  page->magic = limit::kControlMagic;
  page->version = limit::kLayoutVersion;
  page->slice_id = slice_id;
  page->incarnation = incarnation;
  page->epoch_ns = base::monotonic_now();
  return ControlFile{std::move(read_only), std::move(mapping)};
}

base::Result<base::Fd> make_tenant_pages(uint64_t slice_id) {
  FLEXAI_TRY_ASSIGN(base::Fd fd, base::make_memfd("flexai-tenant", limit::kTenantBytes));
  FLEXAI_TRY_ASSIGN(base::Mapping mapping, base::Mapping::map(fd.get(), limit::kTenantBytes,
                                                              base::Mapping::Access::kReadWrite));
  // The file is all zeros, which is the initial state of everything else.
  auto* pages = mapping.as<limit::TenantPages>();
  pages->magic = limit::kTenantMagic;
  pages->version = limit::kLayoutVersion;
  pages->slice_id = slice_id;
  return fd;
}

namespace {

base::Result<base::Mapping> map_pages(int fd) {
  // Unsealed, the file could shrink under us and an access would be a SIGBUS.
  int seals = ::fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0)
    return fail(Code::kCorrupt, "tenant pages are not a sealed memory file");
  FLEXAI_TRY_ASSIGN(base::Mapping mapping,
                    base::Mapping::map(fd, limit::kTenantBytes, base::Mapping::Access::kReadWrite));
  const auto* pages = mapping.as<limit::TenantPages>();
  if (pages->magic != limit::kTenantMagic || pages->version != limit::kLayoutVersion)
    return fail(Code::kCorrupt, "tenant pages have magic or version of another program");
  return mapping;
}

}  // namespace

base::Result<base::Mapping> map_tenant_pages(int fd, uint64_t slice_id) {
  FLEXAI_TRY_ASSIGN(base::Mapping mapping, map_pages(fd));
  const auto* pages = mapping.as<limit::TenantPages>();
  if (pages->slice_id != slice_id)
    return fail(Code::kCorrupt, "tenant pages belong to slice " + std::to_string(pages->slice_id) +
                                    ", not " + std::to_string(slice_id));
  return mapping;
}

bool pages_in_use(int fd) {
  auto mapping = map_pages(fd);
  if (!mapping.ok()) return false;
  auto* pages = mapping->as<limit::TenantPages>();
  return std::any_of(std::begin(pages->owners), std::end(pages->owners), [](const auto& owner) {
    const uint64_t word = owner;
    return word != 0 && living_owner(word).has_value();
  });
}

}  // namespace flexai::agent

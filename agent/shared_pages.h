// Making and checking the two shared files of a slice (limit/layout.h). Threads: any. All plain
// functions; the caller owns what they return.
#pragma once

#include <cstdint>

#include "base/fd.h"
#include "base/result.h"
#include "limit/layout.h"

namespace flexai::agent {

// The agent's mapping of a fresh ControlPage, and the descriptor to hand to tenants: opened
// read-only, and the file is sealed against new writable mappings, so that no reopening helps.
struct ControlFile {
  base::Fd read_only;
  base::Mapping control;
};
base::Result<ControlFile> make_control_page(uint64_t slice_id, uint64_t incarnation);
// A memfd of kTenantBytes with its header filled in: for the keeper and, read-write, for tenants.
base::Result<base::Fd> make_tenant_pages(uint64_t slice_id);
// Maps TenantPages that came from make_tenant_pages, perhaps by way of the keeper. kCorrupt when
// size, magic, version or slice do not fit.
base::Result<base::Mapping> map_tenant_pages(int fd, uint64_t slice_id);
// Whether `fd` is TenantPages, of any slice, in which a process that lives owns a slot.
bool pages_in_use(int fd);

}  // namespace flexai::agent

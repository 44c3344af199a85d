// What the C library leaves to be written each time: a file written whole, a folder that is closed.
// Threads: any.
#pragma once

#include <dirent.h>

#include <memory>
#include <span>
#include <string>

#include "base/result.h"

namespace flexai::base {

// All of it. Errors: those of write(2); `what` was being done.
Status write_all(int fd, std::span<const std::byte> bytes, const std::string& what);

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};
using FolderPtr = std::unique_ptr<DIR, CloseFolder>;

}  // namespace flexai::base

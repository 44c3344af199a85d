// One agent per card on a host: an advisory lock on a file named after the card's key, seen by all
// users. The lock belongs to the open file, so a duplicate in the keeper holds it over an agent's
// death. Threads: any. Does not block.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace flexai::agent {

struct CardLockPlaces {
  std::string folder = "/run/lock/flexai";     // made with mode 1777 when missing
  std::string fallback = "/tmp/flexai-lock-";  // prefix, when the folder cannot be made or trusted
};

// kConflict names the owner: pid, uid, socket. The notes in the file are its owner's word; the lock
// itself is the kernel's.
base::Result<base::Fd> lock_card(const std::string& key, const std::string& socket,
                                 const CardLockPlaces& places = {});

}  // namespace flexai::agent

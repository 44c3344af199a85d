// Apart: a process that cannot touch a folder (Landlock, Linux 5.19 and later), be it of the same
// user, but for one folder in it. What lies elsewhere stays as it is, with one difference: beside
// the hidden folder, and beside the folders it lies in, nothing new can be made or used.
// Threads: the first one, before others are started; for good, and for all it starts.
#pragma once

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace flexai::remote {

// Made while the folders can still be reached, put into force later.
class Apart {
 public:
  // `kept` is a folder in `hidden`, both open or absolute paths. kUnsupported: this kernel cannot.
  static base::Result<Apart> make(const std::string& hidden, const std::string& kept);
  // REQUIRES: no new privileges can be had.
  base::Status enforce() const;

 private:
  explicit Apart(base::Fd rules) : rules_(std::move(rules)) {}
  base::Fd rules_;
};

}  // namespace flexai::remote

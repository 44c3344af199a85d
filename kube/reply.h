// Reply: what became of a Call. A plain value; any thread.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "kube/failure.h"

namespace flexai::kube {

struct Reply {
  int http = 0;
  std::string body;  // JSON of the object, as the server wrote it
  std::optional<Failure> failure;

  bool ok() const { return !failure.has_value(); }
  base::Status status() const { return ok() ? base::Status() : base::Status(failure->error()); }
};

using OnReply = std::function<void(Reply)>;

}  // namespace flexai::kube

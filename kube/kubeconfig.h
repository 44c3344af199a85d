// kubeconfig files. Source: the format as client-go's clientcmd/api/v1 documents it. What would
// make us somebody else than the file says (exec plugins, auth providers, impersonation, proxies)
// is refused with its name, never skipped. Threads: any.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kube/credentials.h"

namespace flexai::kube {

// The first file that defines a name wins, as with kubectl; so does the first current-context.
// Relative paths in a file are relative to its folder. A file that is missing is passed over when
// there is another one.
base::Result<Credentials> from_kubeconfigs(const std::vector<std::string>& files,
                                           const std::string& context);

// One file's text; `folder` for its relative paths. For tests and tools that have no file.
base::Result<Credentials> from_kubeconfig_text(std::string_view text, const std::string& context,
                                               const std::string& folder);

// Standard base64 with padding, blanks and line ends allowed; kInvalid otherwise.
base::Result<std::string> base64_decoded(std::string_view text);

}  // namespace flexai::kube

// What a container runtime must know of a claim's slices: a file of the Container Device Interface
// for each claim, with a device for each slice: the folder of its door, the libraries a program is
// given in the place of a driver, and the variables that lead to both; and, for the claim, the hook
// that refuses images which cannot load these libraries. Source: CDI specification 0.3.0, the
// oldest that has all of that. Threads: any.
#pragma once

#include <string>
#include <vector>

#include "agent/injection.h"
#include "base/result.h"

namespace flexai::agent::dra {

inline constexpr const char* kCdiKind = "xpu.flexai.io/slice";
inline constexpr const char* kPodLibraries = "/run/flexai/lib";

struct CdiSlice {
  std::string name;    // of the slice
  std::string folder;  // of its door, here
};

std::string cdi_id(const std::string& slice);
std::string cdi_file(const std::string& folder, const std::string& claim_uid);

// `variables`: what Injection::served() gives; libraries named there by an absolute path are
// mounted, and named as the pod sees them. `image_check`: the program that looks at the container's
// files before it starts (image_check.h); empty: none.
std::string cdi_text(const std::vector<CdiSlice>& slices, const std::vector<Variable>& variables,
                     const std::string& image_check);

// Whole or not at all; one that is there with the same text is left alone.
base::Status write_cdi(const std::string& folder, const std::string& claim_uid,
                       const std::string& text);
void remove_cdi(const std::string& folder, const std::string& claim_uid);
// The claims that have a file of ours there.
std::vector<std::string> claims_with_cdi(const std::string& folder);

}  // namespace flexai::agent::dra

// Where this installation keeps its parts, found from the running program's own place: the build
// tree and an installed prefix look alike (bin/ lib/ share/flexai/ and, installed,
// libexec/flexai/).
#pragma once

#include <string>
#include <vector>

namespace flexai::apps {

struct Installation {
  std::string bin;
  std::string libexec;
  std::string lib;     // of the shims
  std::string share;   // share/flexai
  std::string needed;  // libraries of others that an image brings; may not be there

  // The path of one of our programs: in libexec or bin.
  std::string program(const std::string& name) const;
};

Installation find_installation();

// Where certificates lie when nobody says otherwise: $FLEXAI_PKI, /etc/flexai/pki where it is, or
// the user's own.
std::string default_pki();

}  // namespace flexai::apps

// The door for links: where a program asks for one (links.h) from the host on which it has a
// session. Beside the unix socket at which it knocked for that (knock.h), PATH, is PATH.links; it
// connects, sends a LinkRequest and the end of what it sends, and reads "linked" or "error CODE
// TEXT" and a line's end. Threads: any. Errors name the path.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/fd.h"
#include "remote/link_letters.h"

namespace flexai::remote {

inline constexpr const char* kLinkDoor = ".links";

// `door`: "door:PATH". kNotFound: nobody makes links there.
base::Status ask_link(const std::string& door, const LinkRequest& request, base::Nanos deadline);

// The door's side, on a connection just accepted.
base::Result<LinkRequest> read_link_request(int connection, base::Nanos deadline);
void answer_link(int connection, const base::Status& answer);

}  // namespace flexai::remote

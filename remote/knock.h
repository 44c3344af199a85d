// Knocking at a door: how a program gets a worker of its own. It connects to the unix socket of
// "door:PATH", sends nothing, and reads one line and the end: "error " and why there is none, or
// "introduction" and then the bytes of an Introduction (remote/appointment.h).
// Threads: any. Errors name the path. The door belongs to the agent, or to `flexai run --host`.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"
#include "remote/appointment.h"

namespace flexai::remote {

// What the door at `endpoint` ("door:PATH") answers. Where nobody is behind it now, somebody is
// waited for, at most 30 s.
base::Result<Introduction> knock(const std::string& endpoint, base::Nanos deadline);
bool is_door(const std::string& endpoint);
// Every door below the folder of "doors:FOLDER", by name: FOLDER/NAME/door. Other endpoints are
// themselves alone. A folder without any gives a door that is not there, for its name.
std::vector<std::string> doors_of(const std::string& endpoint);

// The door's side, on a connection: never blocks. The caller then closes it. False: whoever knocked
// is gone.
bool answer_knock(int connection, const base::Result<Introduction>& answer);

}  // namespace flexai::remote

// HostGroup: a control group of the host by its name ("flexai/keeper"), in every hierarchy that
// there is (version 1 has one a controller, version 2 one for all), so that whoever is in it
// belongs to no container in any of them. Source: the kernel's admin-guide/cgroup-v1 and cgroup-v2.
// Threads: any.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace flexai::agent {

// Where a process in a container with the host's process ids sees the host's hierarchies.
inline constexpr const char* kHostGroups =
    "/proc/1/root"
    "/sys/fs/cgroup";

// 1 to 128 letters, digits, '.', '-', '_' in parts between '/'; no part begins with '.'.
base::Status check_group_name(const std::string& name);

// The folders of the hierarchies below `top` ("/sys/fs/cgroup").
std::vector<std::string> hierarchies(const std::string& top);

// Makes the group in all of them and puts the calling process in. Errors name the folder.
base::Status join_group(const std::string& top, const std::string& name);

// Removes it where nobody is in it any more.
void drop_host_group(const std::string& top, const std::string& name);

}  // namespace flexai::agent

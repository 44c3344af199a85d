// What the tests of kube/ start: commands that use the library against a real API server and say on
// standard output, a line each, what they see. Threads: each command's own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kube/client.h"

namespace flexai::test {

using Words = std::vector<std::string>;

// "configmaps" for the core group, or "GROUP/VERSION/PLURAL".
kube::Resource resource_of(const std::string& text);
void say(const std::string& line);  // whole lines, at once
[[noreturn]] void give_up(const std::string& why);

// Each returns the exit code. Words are those behind the command's name.
int call(kube::Client& client, const Words& words);
int watch(kube::Client& client, const Words& words);
int elect(kube::Client& client, const Words& words);
int storm(kube::Client& client, const Words& words);
int hold(kube::Client& client, const Words& words);
int fill(kube::Client& client, const Words& words);
int shapes(kube::Client& client, const Words& words);
int packed(kube::Client& client, const Words& words);
int lag(kube::Client& client, const Words& words);

}  // namespace flexai::test

// flexai-hostile: a program with a served card that keeps to no rule. What it does, one file each:
// to its worker and to the port on the way there, by hand; and through OpenCL, as a program may.
// Every function prints one line of what came of it. Threads: one, where it does not say otherwise.
#pragma once

#include <random>
#include <string>

namespace flexai::test {

struct Hostility {
  double seconds = 3;
  std::mt19937 chance;
  std::string other;  // the name, or the socket, of somebody else's session

  size_t upto(size_t most) { return std::uniform_int_distribution<size_t>(0, most)(chance); }
};

int garbage(Hostility& how);   // bytes, frames and calls that are none, at every stage
int lengths(Hostility& how);   // that are absurd, wherever there is one
int foreign(Hostility& how);   // sessions and ids that are not its own
int deaf(Hostility& how);      // asks and never reads the answers
int doorstep(Hostility& how);  // connections whose handshake never ends
int leave(Hostility& how);     // asks for a worker and ends

int objects(Hostility& how);  // a million, none of them released
int words(Hostility& how);    // a thread that writes into the shared memory's words meanwhile

}  // namespace flexai::test

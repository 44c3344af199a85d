// Why a pod waits, or does not start, in one word: what stands before ": " in the condition, the
// event or the container's status that say it, and what programs and docs/kubernetes.md know it by.
// A word is never given another meaning. Pure.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace flexai::kube {

inline constexpr const char* kWaitReasons[] = {
    // What nodes lack.
    "NodeClosed", "WrongModel", "LabelMissing", "WrongZone", "NoCards", "NoProcessor", "NoMemory",
    "NoCardMemory", "NoNetwork", "RemoteForbidden", "RemoteSpent", "Spread", "NotAllowed",
    "NeverFits",
    // Whose turn it is.
    "QueueLimit", "ModelCap", "GangPartial", "GangIncomplete", "BehindHead", "GivingWay",
    // What is wrong with what it asks for.
    "ClaimNotThere", "NotFound", "Denied", "Unsupported", "Invalid",
    // None of these.
    "Waiting"};

// The word that `message` begins with; empty when it is none of these.
inline std::string_view wait_reason_of(std::string_view message) {
  const size_t end = message.find(": ");
  if (end == std::string_view::npos) return "";
  const std::string_view word = message.substr(0, end);
  const bool known =
      std::find(std::begin(kWaitReasons), std::end(kWaitReasons), word) != std::end(kWaitReasons);
  return known ? word : "";
}

// Why a container of a pod that has been placed cannot start: within what the container runtime
// says, which others have put words around.
inline constexpr const char* kStartReasons[] = {
    // Its C library cannot load ours.
    "ImageUnfit"};

// From the word on to the end of its line; empty when none of these is in `message`.
inline std::string_view start_reason_in(std::string_view message) {
  for (const std::string_view word : kStartReasons) {
    const size_t at = message.find(std::string(word) + ": ");
    if (at == std::string_view::npos) continue;
    return message.substr(at, message.find('\n', at) - at);
  }
  return "";
}

}  // namespace flexai::kube

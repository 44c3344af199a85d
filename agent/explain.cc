#include "agent/explain.h"

#include <cmath>
#include <cstdio>

#include "model/quantity.h"

namespace flexai::agent {
namespace {

using model::format_bytes;
using model::format_share;
using model::Qos;

std::string milliseconds(base::Nanos t) { return std::to_string(t / base::kMillisecond) + " ms"; }

std::string promise(const model::Slice& slice) {
  switch (slice.qos) {
    case Qos::kFixed:
      return "is promised exactly " + format_share(slice.compute_milli) + " of " + slice.card +
             " and never gets more";
    case Qos::kElastic:
      return "is promised " + format_share(slice.compute_milli) + " of " + slice.card +
             " and may use idle time up to " + format_share(slice.ceiling_milli);
    case Qos::kBestEffort:
      return "is promised nothing on " + slice.card + " and uses idle time up to " +
             format_share(slice.ceiling_milli);
  }
  return "";
}

// The one reason that matters most now.
std::string reason(const model::Slice& slice, const SliceUse& use, const CardUse& card) {
  const double promised =
      slice.qos == Qos::kBestEffort ? 0 : static_cast<double>(slice.compute_milli) / 1000;
  const double ceiling = static_cast<double>(slice.ceiling_milli) / 1000;
  if (slice.residency != model::Residency::kCard)
    return "its memory was taken from the card to " +
           std::string(slice.residency == model::Residency::kDisk ? "disk" : "the host's memory") +
           "; bring it back with `flexai slice resume " + slice.name + "`";
  if (slice.paused)
    return "it is paused and keeps its memory and its promise; go on with `flexai slice resume " +
           slice.name + "`";
  if (use.processes == 0)
    return "no process is attached: start one with `flexai run --slice " + slice.name + " -- CMD`";
  if (!use.waiting && !use.in_flight && use.got_1s < 0.005)
    return "its programs ask for nothing now";
  if (slice.qos == Qos::kFixed && use.got_1s > promised - 0.03)
    return "it gets what it was promised and a fixed slice gets no more; raise that with `flexai "
           "slice set " +
           slice.name + " --compute`, or let it use idle time with --qos elastic";
  if (ceiling < 1 && use.got_1s > ceiling - 0.03)
    return "it is at its ceiling; raise it with `flexai slice set " + slice.name + " --ceiling`";
  if (!use.waiting && use.got_1s < promised)
    return "its programs ask for less than it was promised";
  if (use.waiting && card.got_1s > 0.95)
    return "the card is fully used; other slices take what they were promised";
  if (use.got_1s > promised + 0.02) return "it uses time that others leave idle";
  return "it gets what it asks for";
}

}  // namespace

std::string percent(double part) {
  char text[32];
  double value = std::isfinite(part) ? part * 100 : 0;
  snprintf(text, sizeof text, "%.1f%%", value);
  return text;
}

std::vector<std::string> explain(const model::Slice& slice, const SliceUse* use,
                                 const CardUse* card, const std::string& trouble) {
  std::vector<std::string> lines{slice.name + " " + promise(slice) + "."};
  if (use == nullptr || card == nullptr) {
    lines.push_back("It cannot serve: " + (trouble.empty() ? "its card does not answer" : trouble) +
                    ".");
    return lines;
  }
  lines.push_back("It got " + percent(use->got_1s) + " in the last second and " +
                  percent(use->got_10s) + " in the last 10 s: " + reason(slice, *use, *card) + ".");
  if (use->use.lease_wait > 0)
    lines.push_back("Since it exists it waited " + milliseconds(use->use.lease_wait) +
                    " for the card, " + milliseconds(use->use.throttled) +
                    " of that only because of its own ceiling; it had " +
                    std::to_string(use->use.leases) + " leases, " +
                    std::to_string(use->use.revoked) + " of them taken back early.");
  std::string memory = "It uses " + format_bytes(use->memory_used) + " of its " +
                       format_bytes(use->memory_limit) + " of memory (most so far " +
                       format_bytes(use->memory_peak) + ")";
  if (use->refused_allocations > 0)
    memory += "; " + std::to_string(use->refused_allocations) +
              " allocations were refused: raise it with `flexai slice set " + slice.name +
              " --memory`";
  lines.push_back(memory + ".");
  return lines;
}

}  // namespace flexai::agent

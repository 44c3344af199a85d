#include "model/slice.h"

#include "model/quantity.h"

namespace flexai::model {
namespace {

using base::Code;
using base::fail;

bool valid_name(std::string_view name) {
  if (name.empty() || name.size() > 63) return false;
  auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (!plain(name.front())) return false;
  for (char c : name)
    if (!plain(c) && c != '.' && c != '_' && c != '-') return false;
  return true;
}

}  // namespace

const char* qos_name(Qos qos) {
  static constexpr const char* kNames[] = {"fixed", "elastic", "besteffort"};
  return kNames[static_cast<int>(qos)];
}

const char* priority_name(Priority priority) {
  static constexpr const char* kNames[] = {"low", "normal", "high"};
  return kNames[static_cast<int>(priority)];
}

base::Result<Qos> parse_qos(std::string_view text) {
  for (Qos qos : {Qos::kFixed, Qos::kElastic, Qos::kBestEffort})
    if (text == qos_name(qos)) return qos;
  return fail(Code::kInvalid, "unknown qos \"" + std::string(text.substr(0, 40)) +
                                  "\"; use fixed, elastic or besteffort");
}

base::Result<Priority> parse_priority(std::string_view text) {
  for (Priority p : {Priority::kLow, Priority::kNormal, Priority::kHigh})
    if (text == priority_name(p)) return p;
  return fail(Code::kInvalid, "unknown priority \"" + std::string(text.substr(0, 40)) +
                                  "\"; use low, normal or high");
}

const char* residency_name(Residency residency) {
  static constexpr const char* kNames[] = {"card", "memory", "disk"};
  return kNames[static_cast<int>(residency)];
}

base::Result<Residency> parse_residency(std::string_view text) {
  for (Residency r : {Residency::kCard, Residency::kMemory, Residency::kDisk})
    if (text == residency_name(r)) return r;
  return fail(Code::kInvalid, "unknown residency \"" + std::string(text.substr(0, 40)) +
                                  "\"; use card, memory or disk");
}

base::Status validate(const Slice& slice) {
  if (!valid_name(slice.name))
    return fail(Code::kInvalid,
                "slice name must be 1-63 of a-z 0-9 . _ - and start with a letter or digit");
  if (slice.compute_milli > 1000)
    return fail(Code::kInvalid, "compute must be at most 100% of a card");
  if (slice.qos != Qos::kBestEffort && slice.compute_milli == 0)
    return fail(Code::kInvalid, "compute must be at least 0.1% for a fixed or elastic slice");
  if (slice.ceiling_milli == 0 || slice.ceiling_milli > 1000)
    return fail(Code::kInvalid, "ceiling must be between 0.1% and 100% of a card");
  if (slice.ceiling_milli < slice.compute_milli)
    return fail(Code::kInvalid, "ceiling " + format_share(slice.ceiling_milli) +
                                    " is below compute " + format_share(slice.compute_milli) +
                                    "; raise --ceiling or lower --compute");
  if (slice.qos == Qos::kFixed && slice.ceiling_milli != slice.compute_milli)
    return fail(Code::kInvalid,
                "a fixed slice is its own ceiling; leave out --ceiling or use --qos elastic");
  if (slice.memory_bytes == 0) return fail(Code::kInvalid, "memory must be at least one byte");
  return {};
}

}  // namespace flexai::model

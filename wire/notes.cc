#include "wire/notes.h"

namespace flexai::wire {

void encode(const std::vector<Credit>& credits, Writer& writer) {
  writer.u16(static_cast<uint16_t>(credits.size()));
  for (const Credit& credit : credits) {
    writer.u16(credit.lane);
    writer.u64(credit.granted);
  }
}

base::Result<std::vector<Credit>> decode_credits(Bytes bytes) {
  Reader reader(bytes);
  size_t count = reader.u16("count");
  if (count == 0 || count > kMaxCredits) reader.refuse("count", "is not from 1 to 256");
  std::vector<Credit> credits;
  for (size_t i = 0; i < count && reader.ok(); ++i) {
    Credit credit;
    credit.lane = reader.u16("lane");
    credit.granted = reader.u64("granted");
    credits.push_back(credit);
  }
  FLEXAI_TRY(reader.finish().with_context("credit"));
  return credits;
}

}  // namespace flexai::wire

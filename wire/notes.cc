#include "wire/notes.h"

namespace flexai::wire {

void encode(const std::vector<Credit>& credits, Writer& writer) {
  write_list(credits, writer, [](const Credit& credit, Writer& to) {
    to.u16(credit.lane);
    to.u64(credit.granted);
  });
}

base::Result<std::vector<Credit>> decode_credits(Bytes bytes) {
  return read_list<Credit>(bytes, kMaxCredits, "credit", [](Reader& reader) {
    Credit credit;
    credit.lane = reader.u16("lane");
    credit.granted = reader.u64("granted");
    return credit;
  });
}

}  // namespace flexai::wire

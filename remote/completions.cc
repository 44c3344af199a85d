#include "remote/completions.h"

namespace flexai::remote {

void encode(const std::vector<Completion>& completions, wire::Writer& writer) {
  writer.u16(static_cast<uint16_t>(completions.size()));
  for (const Completion& completion : completions) {
    writer.handle(completion.event);
    writer.i32(completion.status);
    for (uint64_t time : completion.times) writer.u64(time);
  }
}

base::Result<std::vector<Completion>> decode_completions(wire::Bytes bytes) {
  wire::Reader reader(bytes);
  size_t count = reader.u16("count");
  if (count == 0 || count > kMostCompletions) reader.refuse("count", "is not from 1 to 1024");
  std::vector<Completion> completions;
  for (size_t i = 0; i < count && reader.ok(); ++i) {
    Completion completion;
    completion.event = reader.handle("event");
    completion.status = reader.i32("status");
    for (uint64_t& time : completion.times) time = reader.u64("time");
    completions.push_back(completion);
  }
  FLEXAI_TRY(reader.finish().with_context("completions"));
  return completions;
}

}  // namespace flexai::remote

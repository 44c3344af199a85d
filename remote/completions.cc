#include "remote/completions.h"

namespace flexai::remote {

void encode(const std::vector<Completion>& completions, wire::Writer& writer) {
  wire::write_list(completions, writer, [](const Completion& completion, wire::Writer& to) {
    to.handle(completion.event);
    to.i32(completion.status);
    for (uint64_t time : completion.times) to.u64(time);
  });
}

base::Result<std::vector<Completion>> decode_completions(wire::Bytes bytes) {
  return wire::read_list<Completion>(bytes, kMostCompletions, "completions",
                                     [](wire::Reader& reader) {
                                       Completion completion;
                                       completion.event = reader.handle("event");
                                       completion.status = reader.i32("status");
                                       for (uint64_t& time : completion.times)
                                         time = reader.u64("time");
                                       return completion;
                                     });
}

}  // namespace flexai::remote

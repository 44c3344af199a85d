#include "remote/opencl/client/outgoing.h"

#include "remote/opencl/client/client.h"

namespace flexai::remote::opencl {

void Outgoing::raw(const void* list, size_t count, size_t each) {
  if (wanted(list)) writer_.raw({static_cast<const std::byte*>(list), count * each});
}

void Outgoing::texts(const char** texts, const size_t* lengths, size_t count) {
  if (!wanted(texts)) return;
  for (size_t i = 0; i < count; ++i) {
    if (!wanted(texts[i])) continue;
    const size_t size = lengths != nullptr && lengths[i] != 0 ? lengths[i] : std::strlen(texts[i]);
    writer_.blob({reinterpret_cast<const std::byte*>(texts[i]), size});
  }
}

void Outgoing::data(const Payload& payload) {
  if (payload.bulk != 0) {
    writer_.u8(2);
    writer_.u64(payload.bulk);
    writer_.u64(payload.bytes.size());
  } else if (wanted(payload.bytes.data())) {
    writer_.blob(payload.bytes);
  }
}

namespace {

cl_int failure(Client& client, const base::Error& why) {
  if (why.code == base::Code::kExhausted) return CL_OUT_OF_HOST_MEMORY;  // a call too long
  client.lost(why);
  return kGone;
}

}  // namespace

cl_int Outgoing::send(Mode mode) {
  Client& client = client_ == nullptr ? Client::get() : *client_;
  if (code_ != CL_SUCCESS) return code_;
  Caller* caller = client.caller();
  if (caller == nullptr || client.gone()) return kGone;
  client.drop_waiting();
  if (!writer_.ok()) return CL_OUT_OF_HOST_MEMORY;
  if (mode == Mode::kTell && !doubtful_ && !client.strict()) {
    const auto told = caller->tell(entry_, writer_.bytes());
    return told.ok() ? CL_SUCCESS : failure(client, told.error());
  }
  auto answer = caller->ask(entry_, writer_.bytes());
  if (!answer.ok()) return failure(client, answer.error());
  answer_ = std::move(answer->body);
  reader_ = wire::Reader(answer_);
  return answer->code;
}

void Outgoing::take_bytes(void* where, size_t count, size_t each) {
  if (where == nullptr) return;
  const wire::Bytes bytes = reader_.blob("result", kMostReply);
  // More than the program has room for is none of its results.
  if (bytes.size() > count * each) reader_.refuse("result", "is longer than asked for");
  if (reader_.ok() && !bytes.empty()) std::memcpy(where, bytes.data(), bytes.size());
}

cl_int Outgoing::finish() { return reader_.ok() ? CL_SUCCESS : CL_OUT_OF_RESOURCES; }

void flush_calls(const Object* near) {
  if (Caller* caller = Client::of(near).caller(); caller != nullptr) {
    [[maybe_unused]] auto flushed = caller->flush();
  }
}

}  // namespace flexai::remote::opencl

#include "kube/h2_session.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>

#include "kube/time_text.h"

namespace flexai::kube {
namespace {

using base::Code;

constexpr size_t kLongestRetryAfter = 64;

uint8_t* bytes_of(const std::string& text) {
  // nghttp2's C interface takes non-const pointers and copies what they point at.
  return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
}

nghttp2_nv field_of(const std::string& name, const std::string& value) {
  return {bytes_of(name), bytes_of(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

base::Error broken(int error) {
  return base::fail(Code::kCorrupt, std::string("HTTP/2: ") + nghttp2_strerror(error));
}

Ending ending_of(bool whole, uint32_t error) {
  if (error == NGHTTP2_REFUSED_STREAM)
    return {Ending::How::kReset, "the server refused the request before looking at it", true};
  if (error != NGHTTP2_NO_ERROR)
    return {Ending::How::kReset,
            std::string("the server gave the request up: ") + nghttp2_http2_strerror(error), false};
  if (!whole) return {Ending::How::kCut, "the answer ended before it was whole", false};
  return {};
}

}  // namespace

struct H2Callbacks {
  static H2Session& session(void* self) { return *static_cast<H2Session*>(self); }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                       size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                       void* self) {
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    auto* stream = session(self).find(frame->hd.stream_id);
    if (stream == nullptr || stream->answered) return 0;
    std::string_view key(reinterpret_cast<const char*>(name), name_size);
    std::string_view text(reinterpret_cast<const char*>(value), value_size);
    if (key == ":status" && text.size() == 3) {  // nghttp2 has checked that these are digits
      stream->http = (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
      stream->retry_after.clear();
    }
    if (key == "date" && session(self).limits_.clock != nullptr)
      session(self).limits_.clock->heard(text, unix_ms());
    if (key == "retry-after") stream->retry_after = text.substr(0, kLongestRetryAfter);
    return 0;
  }

  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* self) {
    H2Session& me = session(self);
    const bool last = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
      case NGHTTP2_DATA: {
        auto* stream = me.find(frame->hd.stream_id);
        if (stream == nullptr) return 0;
        stream->whole = stream->whole || last;
        if (frame->hd.type != NGHTTP2_HEADERS || stream->answered || stream->http < 200) return 0;
        stream->answered = true;
        stream->exchange->answered(stream->http, stream->retry_after);
        return 0;
      }
      case NGHTTP2_GOAWAY:
        me.goaway_ = true;
        return 0;
      case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) ++me.pongs_;
        return 0;
      default:
        return 0;
    }
  }

  static int on_data(nghttp2_session* raw, uint8_t, int32_t id, const uint8_t* data, size_t size,
                     void* self) {
    H2Session& me = session(self);
    // A slow exchange holds up its own stream only, never the connection.
    nghttp2_session_consume_connection(raw, size);
    auto* stream = me.find(id);
    bool taken = stream == nullptr || !stream->answered ||
                 stream->exchange->data({reinterpret_cast<const char*>(data), size});
    if (taken) nghttp2_session_consume_stream(raw, id, size);
    return 0;
  }

  static int on_close(nghttp2_session*, int32_t id, uint32_t error, void* self) {
    session(self).close(id, error);
    return 0;
  }

  static ssize_t read_body(nghttp2_session*, int32_t id, uint8_t* out, size_t room, uint32_t* flags,
                           nghttp2_data_source*, void* self) {
    auto* stream = session(self).find(id);
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    size_t size = std::min(room, stream->body.size() - stream->sent);
    std::memcpy(out, stream->body.data() + stream->sent, size);
    stream->sent += size;
    if (stream->sent == stream->body.size()) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      stream->body = {};
      stream->sent = 0;
    }
    return static_cast<ssize_t>(size);
  }

  static nghttp2_session_callbacks* make() {
    nghttp2_session_callbacks* callbacks = nullptr;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) return nullptr;
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    return callbacks;
  }
};

base::Result<std::unique_ptr<H2Session>> H2Session::make(const H2Limits& limits) {
  std::unique_ptr<H2Session> made(new H2Session(limits));
  nghttp2_session_callbacks* callbacks = H2Callbacks::make();
  nghttp2_option* option = nullptr;
  int error = callbacks == nullptr ? NGHTTP2_ERR_NOMEM : nghttp2_option_new(&option);
  if (error == 0) {
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_peer_max_concurrent_streams(option, 100);
    error = nghttp2_session_client_new2(&made->session_, callbacks, made.get(), option);
  }
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  if (error != 0) return broken(error);
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.stream_window},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 64 << 10}};
  error = nghttp2_submit_settings(made->session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  if (error == 0)
    error = nghttp2_session_set_local_window_size(made->session_, NGHTTP2_FLAG_NONE, 0,
                                                  static_cast<int32_t>(limits.connection_window));
  if (error != 0) return broken(error);
  return made;
}

H2Session::~H2Session() { nghttp2_session_del(session_); }

H2Session::Stream* H2Session::find(int32_t id) {
  auto it = streams_.find(id);
  return it == streams_.end() ? nullptr : &it->second;
}

void H2Session::close(int32_t id, uint32_t error) {
  auto it = streams_.find(id);
  if (it == streams_.end()) return;
  Stream stream = std::move(it->second);
  streams_.erase(it);  // first: the exchange may start another one
  // Go's server resets with NO_ERROR what it answered without reading the whole body.
  stream.exchange->ended(ending_of(stream.whole && stream.answered, error));
}

base::Result<int32_t> H2Session::start(const RequestHead& head, std::string body,
                                       Exchange* exchange) {
  static const std::string kMethod = ":method", kScheme = ":scheme", kAuthority = ":authority",
                           kPath = ":path";
  std::vector<nghttp2_nv> fields = {field_of(kMethod, head.method), field_of(kScheme, head.scheme),
                                    field_of(kAuthority, head.authority),
                                    field_of(kPath, head.path)};
  for (const auto& [name, value] : head.fields) {
    fields.push_back(field_of(name, value));
    if (name == "authorization") fields.back().flags |= NGHTTP2_NV_FLAG_NO_INDEX;
  }
  nghttp2_data_provider provider{};
  provider.read_callback = &H2Callbacks::read_body;
  int32_t id = nghttp2_submit_request(session_, nullptr, fields.data(), fields.size(),
                                      body.empty() ? nullptr : &provider, nullptr);
  if (id < 0) return broken(id);
  Stream& stream = streams_[id];
  stream.exchange = exchange;
  stream.body = std::move(body);
  return id;
}

void H2Session::reset(int32_t id) {
  if (streams_.erase(id) == 0) return;
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
}

void H2Session::consumed(int32_t id, size_t bytes) {
  nghttp2_session_consume_stream(session_, id, bytes);
}

void H2Session::ping() { nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr); }

void H2Session::end(const Ending& ending) {
  auto streams = std::exchange(streams_, {});
  for (auto& [id, stream] : streams) stream.exchange->ended(ending);
}

base::Status H2Session::feed(std::string_view bytes) {
  ssize_t taken = nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data()),
                                           bytes.size());
  if (taken < 0) return broken(static_cast<int>(taken));
  return {};
}

std::string_view H2Session::output() {
  const uint8_t* data = nullptr;
  ssize_t size = nghttp2_session_mem_send(session_, &data);
  return size <= 0
             ? std::string_view()
             : std::string_view(reinterpret_cast<const char*>(data), static_cast<size_t>(size));
}

size_t H2Session::room() const {
  if (draining()) return 0;
  size_t most = std::min<size_t>(
      limits_.most_streams,
      nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS));
  return most > streams_.size() ? most - streams_.size() : 0;
}

bool H2Session::over() const {
  return nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
}

bool H2Session::draining() const {
  return goaway_ || nghttp2_session_check_request_allowed(session_) == 0;
}

}  // namespace flexai::kube

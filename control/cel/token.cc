#include "control/cel/token.h"

#include <cctype>
#include <charconv>

namespace flexai::control::cel {
namespace {

using base::Code;

bool letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_'; }
bool digit(char c) { return c >= '0' && c <= '9'; }

void append_utf8(uint32_t code, std::string* out) {
  auto put = [out](uint32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xc0 | code >> 6);
  } else {
    if (code < 0x10000) {
      put(0xe0 | code >> 12);
    } else {
      put(0xf0 | code >> 18);
      put(0x80 | (code >> 12 & 0x3f));
    }
    put(0x80 | (code >> 6 & 0x3f));
  }
  put(0x80 | (code & 0x3f));
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  base::Result<std::vector<Token>> run() {
    while (true) {
      skip();
      Token token;
      token.position = at_ + 1;
      if (at_ == text_.size()) {
        tokens_.push_back(token);
        return std::move(tokens_);
      }
      FLEXAI_TRY(next(&token));
      tokens_.push_back(std::move(token));
    }
  }

 private:
  char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : 0; }
  base::Error wrong(const std::string& what) const {
    return error_at(at_ + 1, what, Code::kInvalid);
  }

  void skip() {
    while (at_ < text_.size()) {
      if (std::isspace(static_cast<unsigned char>(peek()))) {
        ++at_;
      } else if (peek() == '/' && peek(1) == '/') {
        while (at_ < text_.size() && peek() != '\n') ++at_;
      } else {
        return;
      }
    }
  }

  base::Status next(Token* token) {
    const char c = peek();
    if (c == '"' || c == '\'') return text(token, false);
    if ((c == 'r' || c == 'R') && (peek(1) == '"' || peek(1) == '\'')) {
      ++at_;
      return text(token, true);
    }
    if ((c == 'b' || c == 'B') && (peek(1) == '"' || peek(1) == '\''))
      return error_at(at_ + 1, "bytes are not supported here", Code::kUnsupported);
    if (letter(c)) return name(token);
    if (digit(c) || (c == '.' && digit(peek(1)))) return number(token);
    return sign(token);
  }

  base::Status name(Token* token) {
    const size_t from = at_;
    while (letter(peek()) || digit(peek())) ++at_;
    token->kind = Token::Kind::kName;
    token->text = text_.substr(from, at_ - from);
    if (token->text == "true" || token->text == "false" || token->text == "null") {
      token->kind = Token::Kind::kLiteral;
      if (token->text != "null") token->literal = Value{token->text == "true"};
    }
    return {};
  }

  base::Status number(Token* token) {
    token->kind = Token::Kind::kLiteral;
    const size_t from = at_;
    const bool hex = peek() == '0' && (peek(1) == 'x' || peek(1) == 'X');
    if (hex) at_ += 2;
    while (hex ? std::isxdigit(static_cast<unsigned char>(peek())) != 0 : digit(peek())) ++at_;
    const bool real = !hex && (peek() == '.' || peek() == 'e' || peek() == 'E') && fraction();
    const char* begin = text_.data() + from + (hex ? 2 : 0);
    const char* end = text_.data() + at_;
    std::from_chars_result read{};
    if (real) {
      double value = 0;
      read = std::from_chars(begin, end, value);
      token->literal = Value{value};
    } else if (peek() == 'u' || peek() == 'U') {
      uint64_t value = 0;
      read = std::from_chars(begin, end, value, hex ? 16 : 10);
      token->literal = Value{value};
      ++at_;
    } else {
      // One more than the largest, for the negative of it.
      uint64_t value = 0;
      read = std::from_chars(begin, end, value, hex ? 16 : 10);
      if (value > uint64_t{1} << 63) read.ec = std::errc::result_out_of_range;
      token->literal = Value{static_cast<int64_t>(value)};
      if (value == uint64_t{1} << 63) token->text = "2^63";
    }
    if (read.ec != std::errc() || read.ptr != end || letter(peek()))
      return error_at(from + 1, "this is no number", Code::kInvalid);
    return {};
  }

  bool fraction() {
    const size_t from = at_;
    if (peek() == '.') {
      if (!digit(peek(1))) return false;
      ++at_;
      while (digit(peek())) ++at_;
    }
    if (peek() == 'e' || peek() == 'E') {
      size_t ahead = 1;
      if (peek(ahead) == '+' || peek(ahead) == '-') ++ahead;
      if (digit(peek(ahead))) {
        at_ += ahead;
        while (digit(peek())) ++at_;
      }
    }
    return at_ > from;
  }

  base::Status text(Token* token, bool raw) {
    token->kind = Token::Kind::kLiteral;
    const char quote = peek();
    const bool three = peek(1) == quote && peek(2) == quote;
    at_ += three ? 3 : 1;
    std::string value;
    while (true) {
      if (at_ >= text_.size() || (!three && peek() == '\n'))
        return error_at(token->position, "this text has no end", Code::kInvalid);
      if (peek() == quote && (!three || (peek(1) == quote && peek(2) == quote))) break;
      if (peek() == '\\' && !raw)
        FLEXAI_TRY(escape(&value));
      else
        value.push_back(text_[at_++]);
    }
    at_ += three ? 3 : 1;
    token->literal = Value{std::move(value)};
    return {};
  }

  base::Status escape(std::string* out) {
    static constexpr std::string_view kFrom = "abfnrtv\\'\"`?";
    static constexpr std::string_view kTo = "\a\b\f\n\r\t\v\\'\"`?";
    const char c = peek(1);
    if (const size_t known = c == 0 ? std::string_view::npos : kFrom.find(c);
        known != std::string_view::npos) {
      out->push_back(kTo[known]);
      at_ += 2;
      return {};
    }
    const size_t digits = c == 'x' || c == 'X' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 3;
    const bool octal = digits == 3;
    const size_t from = at_ + (octal ? 1 : 2);
    uint32_t code = 0;
    if (from + digits > text_.size()) return wrong("this escape is not known");
    const char* begin = text_.data() + from;
    const auto read = std::from_chars(begin, begin + digits, code, octal ? 8 : 16);
    if (read.ec != std::errc() || read.ptr != begin + digits || code > 0x10ffff ||
        (code >= 0xd800 && code < 0xe000))
      return wrong("this escape is not known");
    append_utf8(code, out);
    at_ = from + digits;
    return {};
  }

  base::Status sign(Token* token) {
    static constexpr std::string_view kSigns[] = {"==", "!=", "<=", ">=", "&&", "||", "<", ">",
                                                  "+",  "-",  "*",  "/",  "%",  "!",  "?", ":",
                                                  "(",  ")",  "[",  "]",  "{",  "}",  ",", "."};
    for (std::string_view one : kSigns) {
      if (text_.substr(at_, one.size()) != one) continue;
      token->kind = Token::Kind::kSign;
      token->text = one;
      at_ += one.size();
      return {};
    }
    return wrong("this sign is not known");
  }

  const std::string_view text_;
  size_t at_ = 0;
  std::vector<Token> tokens_;
};

}  // namespace

base::Error error_at(size_t position, const std::string& what, base::Code code) {
  return base::fail(code, "at character " + std::to_string(position) + ": " + what);
}

base::Result<std::vector<Token>> tokens_of(std::string_view text) { return Lexer(text).run(); }

}  // namespace flexai::control::cel

//! Why somebody wasn't told, in words an agent can say aloud.

use forecall_types::HoldReason;

/// Persian and English.
pub(super) const fn reason(why: HoldReason) -> (&'static str, &'static str) {
    match why {
        HoldReason::Approval => (
            "متن پیام هنوز تأیید نشده است",
            "the text still waits for a person's approval",
        ),
        HoldReason::QuietHours => (
            "ساعت سکوت بود و پیام برای صبح ماند",
            "it was night where they are, and the message waits for the morning",
        ),
        HoldReason::Unreachable => (
            "همهٔ راه‌های تماس ما با ایشان از همین اختلال آسیب دیده است",
            "every way we have to reach them needs what has failed",
        ),
        HoldReason::Killed => ("ارسال همهٔ پیام‌ها متوقف شده است", "all messages have been stopped"),
        HoldReason::HoldOut => (
            "برای سنجش اثر خبررسانی، به قید قرعه دیرتر خبر می‌گیرند",
            "they hear later, by chance, so that the effect of telling is measured",
        ),
        HoldReason::Ramp => (
            "پیام گام به گام می‌رود و نوبت ایشان نرسیده است",
            "the message goes step by step, and theirs has not come",
        ),
        HoldReason::NoConsent => (
            "به این گونه پیام رضایت نداده‌اند",
            "they have not agreed to messages of this kind",
        ),
        HoldReason::OptedOut => (
            "خودشان خواسته‌اند پیام نگیرند",
            "they have asked for no more messages",
        ),
        HoldReason::NoChannel => (
            "نشانی یا شماره‌ای از ایشان برای کانال‌های فعال نداریم",
            "we have no address of theirs on a channel in use",
        ),
        HoldReason::Policy => (
            "در این اندازه از اطمینان به مشتریان خبر نمی‌دهیم",
            "customers are not told of this stage at this certainty",
        ),
        HoldReason::Pilot => ("بیرون از گروه آزمایشی هستند", "they are outside the pilot"),
        HoldReason::Cap => (
            "به سقف شمار پیام‌ها رسیده‌اند",
            "they have had as many messages as are allowed",
        ),
        HoldReason::EmptyScope => (
            "دامنهٔ اختلال خالی یا ناشناخته است",
            "nobody is in the scope, or the scope is unknown",
        ),
        HoldReason::Simulated => ("آزمایش یا بازپخش است", "it is a replay or a simulation"),
        HoldReason::Stale => (
            "وقتی می‌شد فرستاد دیگر درست نبود",
            "it was no longer true when it could have gone",
        ),
    }
}

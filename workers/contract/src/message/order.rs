//! Which order a message is about.

use super::Body;
use crate::OrderId;

impl Body {
    /// The order that a message is about.
    pub fn order_id(&self) -> Option<OrderId> {
        let id = match self {
            Body::ProductUpsert(_) | Body::DiscountUpsert(_) | Body::StockAdjust(_) | Body::StockCount(_) => {
                return None;
            }
            Body::MethodPause(_) | Body::MethodResume(_) | Body::WebhookSetAside(_) => return None,
            Body::ProductRetire(_) => return None,
            Body::CartPut(_) | Body::CartItemPut(_) | Body::CartItemRemove(_) | Body::CartClear(_) => {
                return None;
            }
            Body::WalletAdd(_) | Body::WalletChange(_) | Body::WalletRemove(_) => return None,
            Body::Submit(b) => b.order_id,
            Body::OrderCancel(b) => b.order_id,
            Body::OrderRefund(b) => b.order_id,
            Body::OrderPay(b) => b.order_id,
            Body::OrderArchive(b) => b.order_id,
            Body::OrderHeld(b) => b.order_id,
            Body::ProviderEvent(b) => b.data.reference,
            Body::SagaRetry(b) => b.order_id,
            Body::SagaResolve(b) => b.order_id,
            Body::SagaDeadline(b) => b.order_id,
            Body::SagaStart(b) => b.order_id,
            Body::SagaCancel(b) => b.order_id,
            Body::SagaReturn(b) => b.order_id,
            Body::SagaOverdue(b) => b.order_id,
            Body::CartOrder(b) => b.submit.order_id,
            Body::CartSettle(b) => b.order_id,
            Body::MarkAccepted(b) => b.order_id,
            Body::MarkPaid(b) => b.order_id,
            Body::MarkFulfilled(b) => b.order_id,
            Body::MarkUndone(b) => b.order_id,
            Body::MarkReturned(b) => b.order_id,
            Body::RefuseCancel(b) => b.order_id,
            Body::RefusePay(b) => b.order_id,
            Body::StockReserve(b) => b.order_id,
            Body::StockRelease(b) => b.order_id,
            Body::StockShip(b) => b.order_id,
            Body::StockRestock(b) => b.order_id,
            Body::PaymentCharge(b) => b.order_id,
            Body::PaymentCheck(b) => b.order_id,
            Body::PaymentRefund(b) => b.order_id,
            Body::PaymentByHand(b) => b.order_id,
            Body::PaymentSettle(b) => b.order_id,
            Body::PaymentIntend(b) => b.order_id,
            Body::PaymentConfirm(b) => b.order_id,
            Body::PaymentHeld(b) => b.event.data.reference,
            Body::ProviderAnswer(b) => b.order_id,
            Body::ProviderCharge(b) => b.order_id,
            Body::ProviderRefund(b) => b.order_id,
            Body::ProviderQuery(b) => b.order_id,
            Body::ProviderTold(b) => b.order_id(),
            Body::Tell(b) => b.order_id,
            Body::EmailSend(b) => b.order_id,
            Body::SmsSend(b) => b.order_id,
            Body::OrderCreated(b) => b.order_id,
            Body::OrderRejected(b) => b.order_id,
            Body::OrderAccepted(b) => b.order_id,
            Body::OrderPaid(b) => b.order_id,
            Body::OrderFulfilled(b) => b.order_id,
            Body::OrderCancelled(b) => b.order_id,
            Body::OrderRefunded(b) => b.order_id,
            Body::OrderReturned(b) => b.order_id,
            Body::OrderArchived(b) => b.order_id,
            Body::OrderCancelRefused(b) => b.order_id,
            Body::OrderRefused(b) => b.order_id,
            Body::StockReserved(b) | Body::StockReleased(b) | Body::StockShipped(b) => b.order_id,
            Body::StockRefused(b) | Body::StockShipRefused(b) => b.order_id,
            Body::StockRestocked(b) => b.order_id,
            Body::PaymentCaptured(b) => b.order_id,
            Body::PaymentDeclined(b) => b.order_id,
            Body::PaymentRefunded(b) => b.order_id,
            Body::PaymentRefundFailed(b) => b.order_id,
            Body::PaymentVoided(b) => b.order_id,
            Body::NeedsAttention(b) => b.order_id,
            Body::Reply(b) => b.order_id,
        };
        Some(id)
    }
}

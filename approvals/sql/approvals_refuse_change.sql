CREATE OR REPLACE FUNCTION public.approvals_refuse_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
begin
    raise exception '% is append-only: % refused', tg_table_name, lower(tg_op) using errcode = '42501';
end $function$;
CREATE TRIGGER approvals_acknowledgement_no_change BEFORE DELETE OR UPDATE ON approvals_acknowledgement FOR EACH ROW EXECUTE FUNCTION approvals_refuse_change();
CREATE TRIGGER approvals_acknowledgement_no_truncate BEFORE TRUNCATE ON approvals_acknowledgement FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();
CREATE TRIGGER approvals_bypass_no_truncate BEFORE TRUNCATE ON approvals_bypass FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();
CREATE TRIGGER approvals_bypassreview_no_change BEFORE DELETE OR UPDATE ON approvals_bypassreview FOR EACH ROW EXECUTE FUNCTION approvals_refuse_change();
CREATE TRIGGER approvals_bypassreview_no_truncate BEFORE TRUNCATE ON approvals_bypassreview FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();
CREATE TRIGGER approvals_comment_no_change BEFORE DELETE OR UPDATE ON approvals_comment FOR EACH ROW EXECUTE FUNCTION approvals_refuse_change();
CREATE TRIGGER approvals_comment_no_truncate BEFORE TRUNCATE ON approvals_comment FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();
CREATE TRIGGER approvals_decision_no_truncate BEFORE TRUNCATE ON approvals_decision FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();
CREATE TRIGGER approvals_delegation_no_truncate BEFORE TRUNCATE ON approvals_delegation FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();
CREATE TRIGGER approvals_difffetch_no_change BEFORE DELETE OR UPDATE ON approvals_difffetch FOR EACH ROW EXECUTE FUNCTION approvals_refuse_change();
CREATE TRIGGER approvals_difffetch_no_truncate BEFORE TRUNCATE ON approvals_difffetch FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();
CREATE TRIGGER approvals_feedentry_no_change BEFORE DELETE OR UPDATE ON approvals_feedentry FOR EACH ROW EXECUTE FUNCTION approvals_refuse_change();
CREATE TRIGGER approvals_feedentry_no_truncate BEFORE TRUNCATE ON approvals_feedentry FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();
CREATE TRIGGER approvals_gate_no_change BEFORE DELETE OR UPDATE ON approvals_gate FOR EACH ROW EXECUTE FUNCTION approvals_refuse_change();
CREATE TRIGGER approvals_gate_no_truncate BEFORE TRUNCATE ON approvals_gate FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();
CREATE TRIGGER approvals_importeddecision_no_change BEFORE DELETE OR UPDATE ON approvals_importeddecision FOR EACH ROW EXECUTE FUNCTION approvals_refuse_change();
CREATE TRIGGER approvals_importeddecision_no_truncate BEFORE TRUNCATE ON approvals_importeddecision FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();
CREATE TRIGGER approvals_outcomereport_no_change BEFORE DELETE OR UPDATE ON approvals_outcomereport FOR EACH ROW EXECUTE FUNCTION approvals_refuse_change();
CREATE TRIGGER approvals_outcomereport_no_truncate BEFORE TRUNCATE ON approvals_outcomereport FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();
CREATE TRIGGER approvals_patch_no_truncate BEFORE TRUNCATE ON approvals_patch FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();
CREATE TRIGGER approvals_patchcontent_no_change BEFORE DELETE OR UPDATE ON approvals_patchcontent FOR EACH ROW EXECUTE FUNCTION approvals_refuse_change();
CREATE TRIGGER approvals_patchcontent_no_truncate BEFORE TRUNCATE ON approvals_patchcontent FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();
CREATE TRIGGER approvals_policyversion_no_change BEFORE DELETE OR UPDATE ON approvals_policyversion FOR EACH ROW EXECUTE FUNCTION approvals_refuse_change();
CREATE TRIGGER approvals_policyversion_no_truncate BEFORE TRUNCATE ON approvals_policyversion FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();
CREATE TRIGGER approvals_raisedalarm_no_change BEFORE DELETE OR UPDATE ON approvals_raisedalarm FOR EACH ROW EXECUTE FUNCTION approvals_refuse_change();
CREATE TRIGGER approvals_raisedalarm_no_truncate BEFORE TRUNCATE ON approvals_raisedalarm FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();
CREATE TRIGGER approvals_review_no_truncate BEFORE TRUNCATE ON approvals_review FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();
CREATE TRIGGER approvals_revocation_no_change BEFORE DELETE OR UPDATE ON approvals_revocation FOR EACH ROW EXECUTE FUNCTION approvals_refuse_change();
CREATE TRIGGER approvals_revocation_no_truncate BEFORE TRUNCATE ON approvals_revocation FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();
CREATE TRIGGER approvals_text_no_truncate BEFORE TRUNCATE ON approvals_text FOR EACH STATEMENT EXECUTE FUNCTION approvals_refuse_change();
